/* A folder's file system: what it is, how much room it has, and whether it does what a run needs of it. */
#ifndef TK_IO_FOLDER_H
#define TK_IO_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "io/error.h"

typedef struct tk_folder_facts {
    char kind[24];      /* "lustre", "ext4", …; "0x1234" for one whose number is not known here */
    bool shared;        /* of a kind that several machines see */
    bool memory;        /* kept in memory, gone when the machine is */
    int64_t free_bytes; /* for this user */
    int64_t free_files; /* -1: not told */
} tk_folder_facts;

/* Asks the file system of an existing folder. Errors: TK_UNWRITABLE when there is none of that name. */
tk_status tk_folder_look(const char *folder, tk_folder_facts *facts, tk_error *error);

typedef struct tk_folder_trial {
    char *file;           /* a file of this process in the folder; owned */
    bool links;           /* link(2) makes a second name, and refuses one that exists */
    bool renames;         /* rename(2) replaces an existing file */
    double write_bytes_s; /* writing with fsync; 0: the size was 0 */
} tk_folder_trial;

/* Writes `size` bytes to a new file in the folder and tries links and renames with it. The file stays until
 * tk_folder_trial_end, which must be called in any case. Errors: TK_UNWRITABLE, TK_NO_MEMORY. */
tk_status tk_folder_try(const char *folder, int64_t size, tk_folder_trial *trial, tk_error *error);

/* Removes the trial's file. */
void tk_folder_trial_end(tk_folder_trial *trial);

#endif
