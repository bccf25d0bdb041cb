/* Asks each library at run time where it can say, else what its header said. */
#include "io/versions.h"

#include <hdf5.h>
#include <libdeflate.h>
#include <libxml/xmlversion.h>
#include <openssl/crypto.h>
#include <png.h>
#include <stdio.h>
#include <string.h>
#include <tiffio.h>

static void hdf5(char *version, size_t room) {
    unsigned major = 0, minor = 0, release = 0;
    H5get_libversion(&major, &minor, &release);
    snprintf(version, room, "%u.%u.%u", major, minor, release);
}

/* "LIBTIFF, Version 4.5.0\nCopyright …" */
static void tiff(char *version, size_t room) {
    const char *text = TIFFGetVersion(), *number = strstr(text, "Version ");
    number = number ? number + strlen("Version ") : text;
    snprintf(version, room, "%.*s", (int)strcspn(number, "\n"), number);
}

static void xml(char *version, size_t room) { snprintf(version, room, "%s", LIBXML_DOTTED_VERSION); }

static void deflate(char *version, size_t room) { snprintf(version, room, "%s", LIBDEFLATE_VERSION_STRING); }

static void crypto(char *version, size_t room) {
    snprintf(version, room, "%s", OpenSSL_version(OPENSSL_VERSION_STRING));
}

static void png(char *version, size_t room) {
    const unsigned number = png_access_version_number();
    snprintf(version, room, "%u.%u.%u", number / 10000, number / 100 % 100, number % 100);
}

const char *tk_io_version(int i, char *version, size_t room) {
    static const struct {
        const char *name;
        void (*ask)(char *version, size_t room);
    } libraries[] = {{"hdf5", hdf5},          {"libtiff", tiff},   {"libxml2", xml},
                     {"libdeflate", deflate}, {"openssl", crypto}, {"libpng", png}};
    if (i < 0 || (size_t)i >= sizeof libraries / sizeof libraries[0]) return NULL;
    libraries[i].ask(version, room);
    return libraries[i].name;
}
