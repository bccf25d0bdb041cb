/* One lock around HDF5, whose library keeps process-wide state and is usually built without thread safety, and messages
 * for its errors. The header needs no HDF5. */
#ifndef TK_IO_HDF5_LOCK_H
#define TK_IO_HDF5_LOCK_H

#include "io/error.h"

/* Waits until no other thread is inside HDF5, enters, and silences HDF5's own printing of errors. Not recursive. */
void tk_hdf5_lock(void);

/* Leaves HDF5. */
void tk_hdf5_unlock(void);

/* Notes "FILE: WHAT: <HDF5's innermost reason>" for the HDF5 call that has just failed (no other HDF5 call may lie
 * between). A reason that carries a system error (a full disk) is told in the system's words. Call it with the
 * lock held. Returns the status. */
tk_status tk_hdf5_fail(tk_error *error, tk_status status, const char *file, const char *what);

#endif
