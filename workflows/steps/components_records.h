/* What tiles tell each other of their components, as records in a row: written, dealt out, reduced and read back. */
#ifndef TK_WORKFLOWS_STEPS_COMPONENTS_RECORDS_H
#define TK_WORKFLOWS_STEPS_COMPONENTS_RECORDS_H

#include "engine/step.h"
#include "kernels/segment/reconcile.h"
#include "workflows/steps/components_rule.h"

/* Appends a tile's records: the runs on its shell, and its components but those that lie wholly inside and are not
 * kept, which nobody else needs to know. Scratch: 4 bytes for each component. Errors: TK_NO_MEMORY. */
tk_status tk_records_of_tile(const tk_components_rule *rule, const tk_components *found, const tk_block *tile,
                             tk_work *work, tk_bytes *partial);

/* Deals records out over parts of the image's rows. Runs go where their row is, and to the part behind that can touch
 * them, too; components go where their first voxel is. Errors: TK_NO_MEMORY, TK_FAILED for records that are damaged. */
tk_status tk_records_split(const tk_bytes *records, const int64_t image[3], int parts, tk_bytes part[]);

/* Replaces runs by the pairs of components that they join. Errors: TK_NO_MEMORY, TK_FAILED. */
tk_status tk_records_reduce(tk_bytes *part, const int64_t image[3], int connectivity);

/* All reduced records of one time point. */
typedef struct tk_records {
    int64_t time, components, pairs;
    tk_component *component; /* ascending by first voxel */
    tk_component_pair *pair;
} tk_records;

/* Reads time point by time point, in ascending order. Start with `partial` alone, and end with tk_records_end. */
typedef struct tk_records_reader {
    const tk_bytes *partial;
    tk_bytes list, lists; /* where each record is; what the last time point's lists lie in */
    size_t next;
    bool begun, over; /* over: there was no further time point */
} tk_records_reader;

/* The next time point; *records is valid until the next call. Errors: TK_NO_MEMORY, TK_FAILED. */
tk_status tk_records_next(tk_records_reader *reader, tk_records *records);

void tk_records_end(tk_records_reader *reader);

#endif
