/* The lock on the folder of a run: one run at a time works on a result, on any file system (no flock, which Lustre and
 * NFS may refuse). It is a file `lock` that names its owner; link(2) makes it appear whole or not at all. */
#ifndef TK_ENGINE_LOCK_H
#define TK_ENGINE_LOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "io/error.h"

/* Seconds without a sign of life after which a lock of another machine counts as left behind. */
enum { TK_LOCK_STALE = 120 };

typedef struct tk_lock {
    char *file;     /* owned; NULL: not taken */
    char token[33]; /* random; says that the lock is still ours */
} tk_lock;

/* Takes the lock of a folder that exists. A lock that was left behind is taken over: its process is no longer there
 * (on this machine), or it belongs to an earlier start of this same Slurm job, or it has shown no life for
 * TK_LOCK_STALE seconds by the file system's clock, for which this call waits when the owner is on another machine.
 * Errors: TK_UNWRITABLE, with who holds it. */
tk_status tk_lock_take(const char *folder, tk_lock *lock, tk_error *error);

/* A sign of life. False: the lock is no longer ours, another run has taken over. */
bool tk_lock_beat(const tk_lock *lock);

/* Gives the lock back before this process ends; other threads may still beat it. */
void tk_lock_remove(const tk_lock *lock);

/* Gives the lock back, and frees it; does nothing when it was not taken. */
void tk_lock_release(tk_lock *lock);

/* Who holds the lock of a folder, for people; false: nobody. *alive is false for a lock that was left behind. */
bool tk_lock_owner(const char *folder, bool *alive, char *text, size_t room);

#endif
