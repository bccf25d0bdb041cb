/* Presets and methods of the step deconvolve.
 *
 * A method that is given is meant alone and from the start. Else the preset decides: SHB until the automatic stop, for
 * a wide PSF after a warm start of five Wiener-Butterworth iterations; fast: these five alone, for a compact PSF 15 of
 * SHB; reference: SHB from the start until the automatic stop, with twice the halo. */
#include "workflows/steps/deconvolve_method.h"

#include <string.h>

#include "workflows/steps/deconvolve_halo.h"

enum { FAST, DEFAULT, REFERENCE };               /* presets, in the order of the words */
enum { AUTO, SHB, RL, BIGGS, WIENER, TIKHONOV }; /* methods */
enum { WARM = 5, FAST_COMPACT = 15 };
enum { GUESSED_WIDE = 100, GUESSED_COMPACT = 20 }; /* before the automatic stop is known: deconvolution.md has some */
static const double halo_radii[] = {[FAST] = 1, [DEFAULT] = 1, [REFERENCE] = 2};

bool tk_deconvolve_is_linear(const tk_params *p) { return tk_params_integer(p, "method") >= WIENER; }

static tk_status refuse(const tk_params *p, const char *name, const char *why, tk_error *error) {
    return tk_params_get(p, name)->given ? tk_params_fail(p, name, error, "%s", why) : TK_OK;
}

tk_status tk_deconvolve_method_check(const tk_params *p, tk_error *error) {
    static const char *const of_tiles[] = {"halo", "tolerance"};
    static const char *const iterative[] = {"iterations", "warm_start", "tv", "tolerance"};
    const tk_value *warm = tk_params_get(p, "warm_start"), *iterations = tk_params_get(p, "iterations");
    if (tk_params_integer(p, "distribution") == 1)
        for (size_t i = 0; i < sizeof of_tiles / sizeof *of_tiles; i++)
            TK_TRY(refuse(p, of_tiles[i], "is of tiles, and distribution: exact has none", error));
    if (tk_deconvolve_is_linear(p) && tk_params_integer(p, "distribution") == 1)
        return tk_params_fail(
            p, "distribution", error,
            "wiener and tikhonov make one pass over tiles, for a quick look: without seams they are with "
            "--tile whole");
    if (tk_params_integer(p, "preset") == FAST && tk_params_integer(p, "method") != AUTO)
        return tk_params_fail(p, "preset", error,
                              "fast chooses the method itself: leave out method, or preset (then iterations says how "
                              "many)");
    for (size_t i = 0; i < sizeof iterative / sizeof *iterative && tk_deconvolve_is_linear(p); i++)
        TK_TRY(refuse(p, iterative[i], "wiener and tikhonov make one pass", error));
    if (!tk_deconvolve_is_linear(p)) TK_TRY(refuse(p, "regularisation", "is of wiener and tikhonov; see tv", error));
    if (tk_params_get(p, "halo")->set) TK_TRY(refuse(p, "tolerance", "give halo or tolerance, not both", error));
    if (tk_params_integer(p, "method") == BIGGS && iterations->integer > TK_DECONVOLVE_LONGEST_TRIAL)
        return tk_params_fail(p, "iterations", error, "biggs makes at most %d", TK_DECONVOLVE_LONGEST_TRIAL);
    if (warm->set && iterations->set && warm->integer > iterations->integer)
        return tk_params_fail(p, "warm_start", error, "more than there are iterations");
    return TK_OK;
}

static tk_deconvolve_method kernel_method(int64_t method) {
    return method == RL ? TK_DECONVOLVE_RL : method == BIGGS ? TK_DECONVOLVE_BIGGS : TK_DECONVOLVE_SHB;
}

/* Does the PSF reach through the whole depth of the image, as that of a widefield microscope? Then much of the light is
 * out of focus, and a warm start saves many iterations; with a compact PSF it would only bring noise. */
static bool is_wide(const tk_deconvolve_state *s) {
    return s->image[TK_Z] > 1 && s->psf.view.size[TK_Z] > s->image[TK_Z];
}

static tk_status take_iterations(const tk_params *p, tk_deconvolve_state *s, tk_error *error) {
    const tk_value *iterations = tk_params_get(p, "iterations"), *warm = tk_params_get(p, "warm_start");
    const int64_t preset = tk_params_integer(p, "preset"), method = tk_params_integer(p, "method");
    tk_deconvolve_options *o = &s->options;
    const bool by_preset = method == AUTO && preset != REFERENCE, wide = by_preset && is_wide(s);
    o->method = kernel_method(method);
    o->warm = warm->set ? (int)warm->integer : wide ? WARM : 0;
    o->iterations = iterations->set ? (int)iterations->integer : 0;
    if (o->iterations == 0 && by_preset && preset == FAST) o->iterations = wide ? WARM : FAST_COMPACT;
    if (o->iterations > 0 && warm->set && o->warm > o->iterations)
        return tk_params_fail(p, "warm_start", error,
                              "preset fast makes %d iterations with this PSF: at most that many, or give iterations",
                              o->iterations);
    s->stop.automatic = o->iterations == 0;
    s->stop.needed = s->stop.automatic || (o->method == TK_DECONVOLVE_BIGGS && !s->exact);
    s->stop.length = o->iterations;
    if (s->stop.automatic) o->iterations = is_wide(s) ? GUESSED_WIDE : GUESSED_COMPACT;
    if (o->warm > o->iterations) o->warm = o->iterations;
    o->tv = tk_params_number(p, "tv");
    o->read_noise = s->camera.read_noise;
    if (o->warm > 0) o->back_projector = tk_wiener_butterworth_default(tk_read_f32(s->psf.view));
    return TK_OK;
}

static void take_linear(const tk_params *p, tk_deconvolve_state *s) {
    const tk_value *regularisation = tk_params_get(p, "regularisation");
    s->is_linear = true;
    s->linear.method = tk_params_integer(p, "method") == WIENER ? TK_LINEAR_WIENER : TK_LINEAR_TIKHONOV;
    s->linear.regularisation = regularisation->set ? regularisation->number[0] : 0;
}

/* The least halo of the table that keeps the tolerance as all wider ones do: a narrow one may keep it by chance. */
static tk_status keep_tolerance(const tk_params *p, tk_deconvolve_state *s, tk_error *error) {
    const double tolerance = tk_params_number(p, "tolerance") / 100;
    tk_halo_error rows[TK_HALO_ERRORS];
    int count;
    TK_TRY(tk_deconvolve_halo_errors(tk_read_f32(s->psf.view), s->image, &s->options, rows, &count, error));
    int least = count;
    while (least > 0 && rows[least - 1].tile <= tolerance) s->radii = rows[--least].radii;
    if (least < count || count == 0) return TK_OK; /* a point needs none */
    return tk_params_fail(p, "tolerance", error,
                          "with twice the PSF's radius as halo, tiles still differ by %.2g %% (estimated); give at "
                          "least that, or run with --tile whole",
                          100 * rows[count - 1].tile);
}

tk_status tk_deconvolve_method_note(const tk_deconvolve_state *s, tk_facts *facts) {
    static const char *const iterative[] = {
        [TK_DECONVOLVE_SHB] = "shb", [TK_DECONVOLVE_RL] = "rl", [TK_DECONVOLVE_BIGGS] = "biggs"};
    if (s->is_linear)
        return tk_facts_text(facts, "method", s->linear.method == TK_LINEAR_WIENER ? "wiener" : "tikhonov");
    TK_TRY(tk_facts_text(facts, "method", iterative[s->options.method]));
    return s->stop.automatic ? TK_OK : tk_deconvolve_stop_note(s->options.iterations, s->options.warm, facts);
}

tk_status tk_deconvolve_method_take(const tk_params *p, tk_deconvolve_state *s, tk_error *error) {
    s->lean = tk_params_integer(p, "memory") == 1;
    s->exact = tk_params_integer(p, "distribution") == 1;
    s->radii = tk_params_get(p, "halo")->set ? tk_params_number(p, "halo") : halo_radii[tk_params_integer(p, "preset")];
    if (tk_deconvolve_is_linear(p)) {
        take_linear(p, s);
        return TK_OK;
    }
    TK_TRY(take_iterations(p, s, error));
    return tk_params_get(p, "tolerance")->set ? keep_tolerance(p, s, error) : TK_OK;
}
