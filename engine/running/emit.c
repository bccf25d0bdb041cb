/* Chunks are cut out of the core (zeros fill what lies beyond the image), encoded in batches in parallel, and put in
 * order. */
#include "engine/running/emit.h"

#include <string.h>

/* The buffers of one chunk under way, within tk_run.chunks. */
typedef struct slot {
    unsigned char *raw, *work;
    tk_message *message; /* what it is about, then encoded bytes */
    size_t room;         /* for the encoded bytes */
} slot;

static size_t round_up(size_t bytes) { return (bytes + 63) / 64 * 64; }

static size_t raw_bytes(const tk_plan *plan) {
    return (size_t)(plan->chunk[0] * plan->chunk[1] * plan->chunk[2]) * tk_kind_bytes(TK_KIND_LABELS);
}

static size_t slot_bytes(size_t raw) {
    return round_up(raw) + round_up(tk_chunk_work(raw)) + round_up(sizeof(tk_message) + tk_chunk_bound(raw));
}

static slot slot_at(tk_run *run, int i) {
    const size_t raw = raw_bytes(run->plan);
    unsigned char *base = run->chunks.data + (size_t)i * slot_bytes(raw);
    unsigned char *work = base + round_up(raw);
    return (slot){base, work, (void *)(work + round_up(tk_chunk_work(raw))), tk_chunk_bound(raw)};
}

tk_status tk_emit_reserve(tk_run *run, tk_error *error) {
    const size_t bytes = (size_t)tk_plan_batch(run->plan) * slot_bytes(raw_bytes(run->plan));
    return tk_bytes_resize(&run->chunks, bytes) == TK_OK ? TK_OK : tk_fail_memory(error, "chunks");
}

tk_view_u8 tk_emit_core(const tk_block *block) {
    const size_t element = tk_kind_bytes(block->kind);
    const int64_t *stride = block->u8.stride; /* all views have one layout */
    const int64_t offset = (block->core.lo[0] - block->box.lo[0]) * stride[0] +
                           (block->core.lo[1] - block->box.lo[1]) * stride[1] + block->core.lo[2] - block->box.lo[2];
    tk_view_u8 view = block->u8;
    view.data = block->u8.data + offset * (int64_t)element;
    for (int a = 0; a < 3; a++) view.size[a] = tk_box_size(&block->core, a);
    return view;
}

/* Copies the part of the core that lies in the chunk at `origin`, densely packed, zeros around it. */
static void cut_chunk(const tk_plan *plan, const tk_block *block, const int64_t origin[3], unsigned char *raw) {
    const size_t element = tk_kind_bytes(block->kind);
    const tk_view_u8 core = tk_emit_core(block);
    const int64_t *c = plan->chunk;
    int64_t extent[3];
    for (int a = 0; a < 3; a++) {
        const int64_t end = origin[a] + c[a] < block->core.hi[a] ? origin[a] + c[a] : block->core.hi[a];
        extent[a] = end - origin[a];
    }
    if (extent[0] < c[0] || extent[1] < c[1] || extent[2] < c[2])
        memset(raw, 0, (size_t)(c[0] * c[1] * c[2]) * element);
    for (int64_t z = 0; z < extent[0]; z++)
        for (int64_t y = 0; y < extent[1]; y++) {
            const int64_t from = (origin[0] - block->core.lo[0] + z) * core.stride[0] +
                                 (origin[1] - block->core.lo[1] + y) * core.stride[1] + origin[2] - block->core.lo[2];
            memcpy(raw + (size_t)((z * c[1] + y) * c[2]) * element, core.data + from * (int64_t)element,
                   (size_t)extent[2] * element);
        }
}

static tk_status encode_chunk(tk_run *run, int image, const tk_block *block, int64_t number, int i, size_t *bytes) {
    const slot s = slot_at(run, i);
    const tk_plan *plan = run->plan;
    const size_t element = tk_kind_bytes(block->kind);
    int64_t count[3];
    for (int a = 0; a < 3; a++) count[a] = (tk_box_size(&block->core, a) + plan->chunk[a] - 1) / plan->chunk[a];
    const int64_t at[3] = {number / (count[1] * count[2]), number / count[2] % count[1], number % count[2]};
    *s.message = (tk_message){.image = image, .time = block->time};
    for (int a = 0; a < 3; a++) s.message->origin[a] = block->core.lo[a] + at[a] * plan->chunk[a];
    cut_chunk(plan, block, s.message->origin, s.raw);
    return tk_chunk_encode(s.raw, (size_t)(plan->chunk[0] * plan->chunk[1] * plan->chunk[2]) * element, element, s.work,
                           s.message + 1, s.room, bytes);
}

static int64_t chunks_of(const tk_plan *plan, const tk_block *block) {
    int64_t count = 1;
    for (int a = 0; a < 3; a++) count *= (tk_box_size(&block->core, a) + plan->chunk[a] - 1) / plan->chunk[a];
    return count;
}

tk_status tk_emit_block(tk_run *run, int image, const tk_block *block, tk_error *error) {
    const int64_t count = chunks_of(run->plan, block);
    for (int64_t first = 0; first < count; first += TK_ENCODE_BATCH) {
        const int batch = (int)(count - first < TK_ENCODE_BATCH ? count - first : TK_ENCODE_BATCH);
        size_t bytes[TK_ENCODE_BATCH];
        tk_status status[TK_ENCODE_BATCH];
#pragma omp parallel for num_threads(run->work.threads) schedule(dynamic, 1)
        for (int i = 0; i < batch; i++) status[i] = encode_chunk(run, image, block, first + i, i, &bytes[i]);
        for (int i = 0; i < batch; i++) {
            if (status[i] != TK_OK) return tk_fail(error, status[i], "a chunk of the result could not be encoded");
            TK_TRY(tk_writer_put(run->writer, slot_at(run, i).message, bytes[i], error));
        }
    }
    return TK_OK;
}
