/* The writer: a thread on each rank that brings results to the result file while the rank computes. On rank 0 it takes
 * chunks from all ranks, puts them into the file and notes in the journal which tiles are done; on the others it sends
 * them. What waits lies in a buffer of TK_QUEUE_BYTES; when it is full, those who compute wait.
 *
 * Messages of one rank are taken in order: a tile is noted as done after its chunks. Which rank's come first does not
 * matter, since every chunk has its own place. */
#ifndef TK_ENGINE_WRITER_H
#define TK_ENGINE_WRITER_H

#include "engine/comm.h"
#include "engine/keeping/journal.h"
#include "engine/plan.h"
#include "io/result.h"

typedef struct tk_writer tk_writer;

/* What a message is about; encoded bytes of a chunk, or the stores of a tile, stand behind it. */
typedef struct tk_message {
    int64_t kind;      /* writer.c's own */
    int64_t image;     /* a chunk: as tk_result_add_image numbered it */
    int64_t time;      /* a chunk: its time point, as the image numbers it */
    int64_t origin[3]; /* a chunk: first voxel, z y x */
    int64_t stage, tile;
} tk_message;

/* A tile's part of an intermediate image, for the journal. */
typedef struct tk_stored {
    int64_t value; /* as in workflow.h */
    int64_t crc;   /* CRC-32 of its voxels, densely packed z y x */
} tk_stored;

/* Starts the writer. `result` and `journal` are used on rank 0 alone and belong to the writer until tk_writer_finish.
 * Collective, with agreement on errors: either all ranks have a writer afterwards or none. */
tk_status tk_writer_start(tk_comm *comm, tk_result *result, tk_journal *journal, tk_writer **writer, tk_error *error);

/* Hands over a chunk: a message and `bytes` of encoded chunk behind it, of which image and origin are filled in. The
 * memory may be used again afterwards. Errors: the writer's own; TK_FAILED when a chunk is larger than the buffer. */
tk_status tk_writer_put(tk_writer *writer, tk_message *message, size_t bytes, tk_error *error);

/* This tile of a stage is done: the chunks handed over since the last such call, and what it has `stored`. */
tk_status tk_writer_tile_done(tk_writer *writer, int stage, int64_t tile, const tk_stored *stored, int count,
                              tk_error *error);

/* The tile has failed: the chunks handed over since the last call belong to no tile. */
tk_status tk_writer_tile_failed(tk_writer *writer, tk_error *error);

/* Waits until everything that all ranks have handed over has been written and noted. Collective; notes the writer's
 * error, on which the ranks must agree afterwards. */
tk_status tk_writer_settle(tk_writer *writer, tk_error *error);

/* Notes the writer's error, if it has one by now, and returns its status. */
tk_status tk_writer_check(tk_writer *writer, tk_error *error);

/* On rank 0: how many tiles have been noted as done. */
int64_t tk_writer_noted(tk_writer *writer);

/* Seconds for which this rank had to wait for room. */
double tk_writer_waited(const tk_writer *writer);

/* Waits until all has been written, and frees the writer. Collective; also after errors. NULL is allowed. */
tk_status tk_writer_finish(tk_writer *writer, tk_error *error);

#endif
