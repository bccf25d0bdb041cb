/* The writer: a thread on rank 0 that takes encoded chunks from all ranks and puts them into the result while they
 * compute. Chunks of one rank arrive in the order in which it sent them; which rank's come first does not matter, since
 * every chunk has its own place. When the writer falls behind, those who send wait. */
#ifndef TK_ENGINE_WRITER_H
#define TK_ENGINE_WRITER_H

#include "engine/comm.h"
#include "io/result.h"

typedef struct tk_writer tk_writer;

/* What stands before the encoded bytes of a chunk. */
typedef struct tk_chunk_header {
    int64_t origin[3]; /* first voxel, z y x */
    int64_t image;     /* as tk_result_add_image numbered it; −1: this rank has no more */
} tk_chunk_header;

/* Starts the writer. `result` is used on rank 0 alone (NULL elsewhere) and belongs to the writer until
 * tk_writer_finish. Collective, with agreement on errors: either all ranks have a writer afterwards or none. */
tk_status tk_writer_start(tk_comm *comm, tk_result *result, tk_writer **writer, tk_error *error);

/* Hands over a message: a header and `bytes` of encoded chunk behind it. The memory may be used again afterwards.
 * Errors: the writer's own, on rank 0; the other ranks learn of it at the next agreement. */
tk_status tk_writer_put(tk_writer *writer, const tk_chunk_header *message, size_t bytes, tk_error *error);

/* Notes the writer's error, if it has one by now, and returns its status. */
tk_status tk_writer_check(tk_writer *writer, tk_error *error);

/* Waits until all has been written, and frees the writer. Collective; also after errors. NULL is allowed. */
tk_status tk_writer_finish(tk_writer *writer, tk_error *error);

#endif
