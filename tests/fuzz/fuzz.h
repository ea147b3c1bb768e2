/* Random calls: what fuzz.c, which counts, places and reports them, shares with the files that draw them, one for each
 * loss. Everything about a call comes from the run's seed and the call's number. */
#ifndef CLLOSS_TESTS_FUZZ_H
#define CLLOSS_TESTS_FUZZ_H

#include "case_distill.h"
#include "case_information.h"
#include "case_pointwise.h"
#include "case_softmax.h"
#include "case_xent.h"
#include "tape.h"

enum { FUZZ_TUNING = 600, FUZZ_SETTINGS = 80 };

/* What a ctx is made with. */
typedef struct fuzz_setting {
  harness_plan plan;
  char tuning[FUZZ_TUNING]; /* "": none */
} fuzz_setting;

typedef struct fuzz {
  harness h;
  size_t calls;
  bool all_types; /* any combination of types and local size, not just those that other tests compile, too */
  bool moderate;  /* factors of losses and gradients are ordinary numbers */
  bool tidy;      /* views that aren't bound hold nothing else */
  struct {
    fuzz_setting setting;
    clloss_ctx *ctx;
  } ctx[FUZZ_SETTINGS];
  size_t n_ctx;
  struct spoilt_bench *bench; /* what spoilt calls work on, made by the first */
  size_t accepted, refused;   /* how many of them */
} fuzz;

/* Draws and makes one call, whose random numbers all come from *state. */
typedef void fuzz_draw(fuzz *f, uint64_t *state);
fuzz_draw fuzz_xent, fuzz_xent_factors, fuzz_xent_host, fuzz_many_classes, fuzz_pointwise,
    fuzz_pointwise_factors, fuzz_softmax, fuzz_distill, fuzz_information, fuzz_spoilt;

/* A setting for programs of these local sizes, a list that ends with 0; 1 is the lane team, and others
 * are the group team's. What else a plan may be overridden with, and the tuning text, are drawn. */
fuzz_setting fuzz_draw_setting(fuzz *f, const uint32_t *local_sizes, uint64_t *state);
bool fuzz_splits(const fuzz_setting *setting);

/* The ctx of a setting, made at its first use; NULL and a counted failure where it can't be. */
clloss_ctx *fuzz_ctx(fuzz *f, const fuzz_setting *setting);

/* Runs all passes of a harness case, or, where c isn't NULL, that one; and prints what fails, beside what the harness
 * says with the setting. Views that aren't bound hold stray numbers in every other call. */
void fuzz_check(fuzz *f, const fuzz_setting *setting, const harness_passes *passes, const harness_case *c,
                const void *shape, uint64_t *state);
/* The same for what no case describes: a failure in words. */
void fuzz_fail(fuzz *f, const fuzz_setting *setting, const char *words, const char *what);

/* Whether, with a chance of 1 in n; a size from least to most, each magnitude as likely as another; one of a list. */
bool fuzz_one_in(uint64_t *state, size_t n);
size_t fuzz_size(uint64_t *state, size_t least, size_t most);
double fuzz_number(uint64_t *state, const double *list, size_t n);
#define FUZZ_NUMBER(state, ...) \
  fuzz_number(state, (const double[]){__VA_ARGS__}, sizeof(double[]){__VA_ARGS__} / sizeof(double))

/* A shape of each loss, and a setting for it; and the pass of a softmax, of which not every shape has a forward one. */
fuzz_setting fuzz_draw_xent(fuzz *f, xent_shape *s, uint64_t *state);
fuzz_setting fuzz_draw_pointwise(fuzz *f, pointwise_shape *s, uint64_t *state);
fuzz_setting fuzz_draw_softmax(fuzz *f, softmax_shape *s, uint64_t *state);
fuzz_setting fuzz_draw_distill(fuzz *f, distill_shape *s, uint64_t *state);
fuzz_setting fuzz_draw_information(fuzz *f, information_shape *s, uint64_t *state);
bool fuzz_goes_backward(const softmax_shape *s, uint64_t *state);

/* Makes a call that the tape describes, and spoils, and judges what became of it (spoilt.c). */
void fuzz_spoilt_call(fuzz *f, fuzz_tape *tape);
void fuzz_spoilt_close(fuzz *f);

/* Releases what calls have left. */
void fuzz_close(fuzz *f);

bool fuzz_has_f64(const fuzz *f);

#endif
