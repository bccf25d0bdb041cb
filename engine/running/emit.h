/* From a block's core to encoded chunks of the result. */
#ifndef TK_ENGINE_EMIT_H
#define TK_ENGINE_EMIT_H

#include "engine/run.h"

/* The core of a block of any kind as a view of its first byte, with the strides of its elements. */
tk_view_u8 tk_emit_core(const tk_block *block);

/* Encodes the chunks of the block's core, on all threads, and hands them to the writer as image number `image` of the
 * result. */
tk_status tk_emit_block(tk_run *run, int image, const tk_block *block, tk_error *error);

/* Memory for the chunks under way. */
tk_status tk_emit_reserve(tk_run *run, tk_error *error);

#endif
