/* Optics of a computed PSF, from what a user and an image's metadata say: one list for `tarkka psf` and for steps. */
#ifndef TK_WORKFLOWS_PSF_OPTICS_H
#define TK_WORKFLOWS_PSF_OPTICS_H

#include "engine/params.h"
#include "kernels/psf/optics.h"

/* The numbers of optics.def. */
typedef enum tk_optic_id {
#define TK_OPTIC(name, ...) TK_OPTIC_##name,
#include "workflows/psf/optics.def"
#undef TK_OPTIC
    TK_OPTICS
} tk_optic_id;

typedef struct tk_optic {
    const char *option, *argument, *param; /* "n-sample", "N", "psf.n_sample" */
    tk_param_type type;
    double least, most;
    const char *help;
} tk_optic;

extern const tk_optic tk_optics[TK_OPTICS];

/* Words, in the order of the enumerations. */
#define TK_PSF_MODEL_WORDS  "born-wolf|gibson-lanni|richards-wolf|gaussian"
#define TK_PSF_MODE_WORDS   "widefield|confocal|spinning-disk|light-sheet|two-photon"
#define TK_PSF_ORIGIN_WORDS "brightest|best-focus|nominal"
typedef enum tk_psf_model {
    TK_PSF_BORN_WOLF,     /* scalar, without mismatch */
    TK_PSF_GIBSON_LANNI,  /* scalar, with mismatched media */
    TK_PSF_RICHARDS_WOLF, /* vectorial, the same media */
    TK_PSF_GAUSSIAN
} tk_psf_model;

/* Copies word `index` of "a|b|c" to `word`, and tells whether there is one. */
bool tk_psf_word(const char *words, int index, char word[32]);

/* What is asked for. NAN: not said. */
typedef struct tk_optics_request {
    tk_psf_model model; /* not the Gaussian */
    tk_psf_mode mode;
    tk_psf_origin origin;
    bool sampled;
    double value[TK_OPTICS]; /* in the units of the options */
    double voxel_um[3];      /* z y x, > 0 */
} tk_optics_request;

/* A request in which nothing is said. */
tk_optics_request tk_optics_nothing(void);

/* What is wrong with a request: the number it is about (TK_OPTICS: none in particular), and words. */
typedef struct tk_optics_fault {
    tk_optic_id about;
    const char *text;
} tk_optics_fault;

/* Does the light that excites shape the PSF of this mode? */
bool tk_optics_excites(tk_psf_mode mode);

/* Makes the optics; what is not said is as tk_psf_optics_default has it. False with *fault: NA or a wavelength that
 * the mode needs is not said, a mismatch for born-wolf, something that the mode does not have, too much aberration
 * (about the depth, if less of it would help), or what tk_psf_optics_fault says. */
bool tk_optics_make(const tk_optics_request *request, tk_psf_optics *optics, tk_optics_fault *fault);

/* Waves by which the paths through the pupil differ, from ray to ray, at the best focus. */
double tk_optics_waves(const tk_psf_optics *optics);

#endif
