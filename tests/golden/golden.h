/* Reads what make_golden.py wrote, one case at a time, and compares results with it. Everything is a list of doubles
 * under a key, whatever type a call wants. */
#ifndef CLLOSS_TESTS_GOLDEN_H
#define CLLOSS_TESTS_GOLDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Which bound an output keeps; EXACT are integers. */
enum { GOLDEN_INPUT, GOLDEN_LOSS, GOLDEN_SUM, GOLDEN_GRAD, GOLDEN_EXACT };

#define GOLDEN_KEYS(X)             \
  X(shape, GOLDEN_INPUT)           \
  X(reduction, GOLDEN_INPUT)       \
  X(flags, GOLDEN_INPUT)           \
  X(ignore_index, GOLDEN_INPUT)    \
  X(label_smoothing, GOLDEN_INPUT) \
  X(z_loss, GOLDEN_INPUT)          \
  X(logit_scale, GOLDEN_INPUT)     \
  X(softcap, GOLDEN_INPUT)         \
  X(divisor, GOLDEN_INPUT)         \
  X(grad_alpha, GOLDEN_INPUT)      \
  X(grad_beta, GOLDEN_INPUT)       \
  X(top_k, GOLDEN_INPUT)           \
  X(logits, GOLDEN_INPUT)          \
  X(targets, GOLDEN_INPUT)         \
  X(probabilities, GOLDEN_INPUT)   \
  X(class_weight, GOLDEN_INPUT)    \
  X(row_weight, GOLDEN_INPUT)      \
  X(grad_loss, GOLDEN_INPUT)       \
  X(old_grad, GOLDEN_INPUT)        \
  X(kind, GOLDEN_INPUT)            \
  X(delta, GOLDEN_INPUT)           \
  X(gamma, GOLDEN_INPUT)           \
  X(alpha, GOLDEN_INPUT)           \
  X(clip, GOLDEN_INPUT)            \
  X(input, GOLDEN_INPUT)           \
  X(target, GOLDEN_INPUT)          \
  X(weight, GOLDEN_INPUT)          \
  X(weight_strides, GOLDEN_INPUT)  \
  X(pos_weight, GOLDEN_INPUT)      \
  X(element_loss, GOLDEN_LOSS)     \
  X(loss, GOLDEN_LOSS)             \
  X(row_loss, GOLDEN_LOSS)         \
  X(row_stats, GOLDEN_LOSS)        \
  X(predicted, GOLDEN_EXACT)       \
  X(confidence, GOLDEN_LOSS)       \
  X(entropy, GOLDEN_LOSS)          \
  X(metrics, GOLDEN_SUM)           \
  X(counts, GOLDEN_EXACT)          \
  X(grad, GOLDEN_GRAD)

enum golden_key {
#define GOLDEN_ENUM(name, kind) GOLDEN_##name,
  GOLDEN_KEYS(GOLDEN_ENUM)
#undef GOLDEN_ENUM
      GOLDEN_KEY_COUNT
};

typedef struct golden_values {
  double *at; /* NULL: absent */
  size_t n;
} golden_values;

typedef struct golden_case {
  char name[64];
  golden_values of[GOLDEN_KEY_COUNT];
} golden_case;

/* What |got − want| may be: relative · |want| + absolute (of a gradient: times its largest finite entry; of a sum over
 * rows: times their number). */
typedef struct golden_bound {
  double relative, absolute, grad_relative, grad_absolute;
} golden_bound;

/* 1, 0 at the end of the file, −1 with a line on stderr where it isn't such a file. */
int golden_next(FILE *file, golden_case *c);
void golden_free(golden_case *c);

/* A copy with room for each output that the case has, filled with `poison`. */
bool golden_room(const golden_case *c, golden_case *got, double poison);

bool golden_is_output(int key);
const char *golden_name(int key);

/* The key's only value; 0 where it is absent. */
double golden_scalar(const golden_case *c, int key);

/* How many values of one output don't keep the bound; the first is printed, with `where`. */
size_t golden_compare(const golden_case *want, const golden_case *got, int key, const golden_bound *bound,
                      const char *where);

#endif
