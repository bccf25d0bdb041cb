/* The process-wide HDF5 lock, and HDF5's error stack told in one line. */
#include "io/hdf5_lock.h"

#include <errno.h>
#include <hdf5.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* At exit HDF5 would close once more the files that it failed to close before (on a full disk), and crash over it. All
 * files of ours are closed by then. */
static void keep_out_of_exit(void) { (void)H5dont_atexit(); }

void tk_hdf5_lock(void) {
    pthread_mutex_lock(&lock);
    (void)pthread_once(&once, keep_out_of_exit);
    (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

void tk_hdf5_unlock(void) { pthread_mutex_unlock(&lock); }

typedef struct reason {
    int system_error;
    char text[256];
} reason;

/* The innermost entry comes first; a system error is written into it as "errno = 28". */
static herr_t note(unsigned level, const H5E_error2_t *entry, void *data) {
    reason *found = data;
    const char *text = entry->desc ? entry->desc : "";
    const char *number = strstr(text, "errno = ");
    if (number && found->system_error == 0) found->system_error = atoi(number + strlen("errno = "));
    if (level == 0) snprintf(found->text, sizeof found->text, "%s", text);
    return 0;
}

tk_status tk_hdf5_fail(tk_error *error, tk_status status, const char *file, const char *what) {
    reason found = {0, ""};
    (void)H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, note, &found);
    if (found.system_error != 0) {
        errno = found.system_error;
        return tk_fail_errno(error, status, file, what);
    }
    return tk_fail(error, status, "%s: %s: HDF5: %s", file, what, found.text[0] ? found.text : "no reason given");
}
