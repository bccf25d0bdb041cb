/* What a function answers: one list of statuses, each with the process exit code it leads to.
 *
 * Every function that can fail returns a tk_status; TK_TRY hands a failure on to the caller. A kernel
 * returns the bare status; code that knows a file or a line adds a message (io/error.h). */
#ifndef TK_KERNELS_COMMON_STATUS_H
#define TK_KERNELS_COMMON_STATUS_H

/*          name         exit  text */
#define TK_STATUS_LIST(X)                                                                                              \
    X(OK, 0, "done")                                                                                                   \
    X(FAILED, 1, "failed")                                                                                             \
    X(NO_MEMORY, 1, "out of memory")                                                                                   \
    X(UNWRITABLE, 1, "output cannot be written")                                                                       \
    X(UNSOLVABLE, 1, "no result exists for this data")                                                                 \
    X(USAGE, 2, "wrong usage")                                                                                         \
    X(INVALID, 2, "invalid workflow")                                                                                  \
    X(UNREADABLE, 3, "input unreadable or changed")                                                                    \
    X(GIVEN_UP, 4, "finished, with tiles given up")                                                                    \
    X(DIFFERENT, 5, "different")                                                                                       \
    X(STOPPED, 75, "stopped early; resume it")

#define TK_STATUS_ENUM(name, exit_code, text) TK_##name,
typedef enum tk_status { TK_STATUS_LIST(TK_STATUS_ENUM) TK_STATUS_COUNT } tk_status;
#undef TK_STATUS_ENUM

/* A short text for a status; never NULL. */
const char *tk_status_text(tk_status status);

/* The process exit code a status leads to (0, 1, 2, 3, 4, 5 or 75). */
int tk_status_exit_code(tk_status status);

/* Returns from the calling function with the status of `call` unless that is TK_OK. */
#define TK_TRY(call)                                                                                                   \
    do {                                                                                                               \
        const tk_status tk_try_status = (call);                                                                        \
        if (tk_try_status != TK_OK) return tk_try_status;                                                              \
    } while (0)

#endif
