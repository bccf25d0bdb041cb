/* What a run is: everything that its bytes depend on. A run is only resumed by the very same one. */
#ifndef TK_ENGINE_IDENTITY_H
#define TK_ENGINE_IDENTITY_H

#include <jansson.h>

#include "engine/job.h"
#include "engine/plan.h"

/* The resolved steps, the inputs (path, size, time of change), the tile grid and halos, versions and instruction set,
 * as JSON: a new reference; NULL: no memory. Ranks and threads are not part of it, nor is the name of the result. */
json_t *tk_identity_make(const tk_job *job, const tk_plan *plan, tk_isa isa);

/* The SHA-256 of an identity. */
tk_status tk_identity_sha256(const json_t *identity, char sha256[65], tk_error *error);

/* Where two identities differ, in words: "steps[1].iterations was 15 and is 20; …"; empty when they do not. */
void tk_identity_difference(json_t *was, json_t *is, char *text, size_t room);

/* The instruction set of an identity; false: it has none that is known. */
bool tk_identity_isa(const json_t *identity, tk_isa *isa);

#endif
