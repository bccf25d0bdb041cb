/* SHA-256 through OpenSSL's EVP interface, which picks the processor's SHA instructions where there are any. */
#include "io/checksum.h"

#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIECE = 1 << 20 };

struct tk_sha256 {
    EVP_MD_CTX *context;
};

tk_status tk_sha256_start(tk_sha256 **sum, tk_error *error) {
    *sum = malloc(sizeof **sum);
    if (!*sum) return tk_fail_memory(error, "a checksum");
    (*sum)->context = EVP_MD_CTX_new();
    if (!(*sum)->context || EVP_DigestInit_ex((*sum)->context, EVP_sha256(), NULL) != 1) {
        (void)tk_sha256_finish(sum, NULL, error);
        return tk_fail_memory(error, "a checksum");
    }
    return TK_OK;
}

tk_status tk_sha256_feed(tk_sha256 *sum, const void *data, size_t size, tk_error *error) {
    if (EVP_DigestUpdate(sum->context, data, size) != 1) return tk_fail(error, TK_FAILED, "SHA-256 failed");
    return TK_OK;
}

tk_status tk_sha256_finish(tk_sha256 **sum, char hex[65], tk_error *error) {
    if (!*sum) return TK_OK;
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    const int done = hex ? EVP_DigestFinal_ex((*sum)->context, digest, NULL) : 1;
    EVP_MD_CTX_free((*sum)->context);
    free(*sum);
    *sum = NULL;
    if (done != 1) return tk_fail(error, TK_FAILED, "SHA-256 failed");
    for (int i = 0; hex && i < 32; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return TK_OK;
}

tk_status tk_bytes_sha256(const void *data, size_t size, char hex[65], tk_error *error) {
    tk_sha256 *sum = NULL;
    TK_TRY(tk_sha256_start(&sum, error));
    const tk_status status = tk_sha256_feed(sum, data, size, error);
    const tk_status finished = tk_sha256_finish(&sum, status == TK_OK ? hex : NULL, error);
    return status != TK_OK ? status : finished;
}

static tk_status feed_file(int fd, const char *path, tk_sha256 *sum, unsigned char *piece, int64_t *bytes,
                           tk_error *error) {
    *bytes = 0;
    for (;;) {
        const ssize_t got = read(fd, piece, PIECE);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return tk_fail_errno(error, TK_UNREADABLE, path, "cannot be read");
        if (got == 0) return TK_OK;
        TK_TRY(tk_sha256_feed(sum, piece, (size_t)got, error));
        *bytes += got;
    }
}

tk_status tk_file_sha256(const char *path, char hex[65], int64_t *bytes, tk_error *error) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return tk_fail_errno(error, TK_UNREADABLE, path, "cannot be opened");
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    int64_t length = 0;
    tk_sha256 *sum = NULL;
    unsigned char *piece = malloc(PIECE);
    tk_status status = piece ? tk_sha256_start(&sum, error) : tk_fail_memory(error, "a checksum");
    if (status == TK_OK) status = feed_file(fd, path, sum, piece, &length, error);
    const tk_status finished = tk_sha256_finish(&sum, status == TK_OK ? hex : NULL, error);
    if (status == TK_OK) status = finished;
    free(piece);
    close(fd);
    if (status == TK_OK && bytes) *bytes = length;
    return status;
}

uint32_t tk_crc32(uint32_t crc, const void *data, size_t size) { return libdeflate_crc32(crc, data, size); }
