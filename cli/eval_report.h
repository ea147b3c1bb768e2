/* What a loss tells: statistics of its rows as they come, and the report of `clloss eval` in its two forms. Rows have
 * classes, a target and a prediction: those of softmax, and elements of binary cross-entropy, which have two. */
#ifndef EVAL_REPORT_H
#define EVAL_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REPORT_BINS = 15, REPORT_BARS = 48, REPORT_WORST = 10, REPORT_TOP = 5 };

typedef enum report_kind { REPORT_NONE, REPORT_CLASSES, REPORT_BINARY } report_kind;

typedef struct report_row {
  uint64_t row;              /* or element */
  int64_t target, predicted; /* classes; the likeliest where the target is a distribution */
  double probability;        /* of the predicted class */
  double right;              /* 1 where that is the target, or what the target gives it */
  double loss;               /* plain: nats, without weights, smoothing and z-loss */
} report_row;

/* What is known of all rows once the last has come. Losses are plain unless named otherwise. */
typedef struct eval_result {
  uint32_t reduction;
  uint64_t rows, ignored, bad_targets, classes;
  uint64_t no_loss;           /* rows whose loss is NaN though their target is a class */
  double loss;                /* as asked for; meaningless with CLLOSS_NONE */
  bool apart;                 /* `loss` has weights, smoothing or z-loss, and the rest hasn't */
  double mean;                /* of the losses of valid rows, whatever the reduction */
  double accuracy;            /* share of valid rows whose prediction is the target */
  double top;                 /* share of those whose target is among the REPORT_TOP likeliest */
  double entropy, confidence; /* means over valid rows of the prediction's */
  const char *device;
  int digits; /* significant digits that make the numbers round-trip */
} eval_result;

/* Memory for the frequency of each class, and nothing that grows with the rows. */
typedef struct eval_report {
  report_kind kind; /* without one there is the loss alone */
  size_t classes;   /* of the report: 2 where it is binary */
  double uniform;   /* nats: what a uniform guess costs */
  eval_result result;
  double *frequencies; /* [classes]: rows, or shares of them, of each target */
  struct report_bin {
    double rows, confidence, right; /* how many, sums */
  } bins[REPORT_BINS];              /* of probability, equally wide */
  double bars
      [REPORT_BARS]; /* rows by loss, REPORT_BARS / 3 to the loss of a uniform guess; the last has the rest */
  report_row worst[REPORT_WORST]; /* the greatest losses, the greatest first */
  size_t n_worst;
} eval_report;

/* False: out of memory, said. */
bool eval_report_open(eval_report *report, report_kind kind, size_t classes);
void eval_report_close(eval_report *report);

/* A valid row; rows without a loss are passed over. */
void eval_report_add(eval_report *report, const report_row *row);

/* What follows from the rows and the result together. */
typedef struct eval_reading {
  double frequencies; /* what guessing the frequencies of the targets costs */
  double majority;    /* share of the commonest target */
  double ones;        /* share of the last class: of ones where the report is binary */
  double
      right; /* share of rows whose predicted class is the target; of equal ones the lowest, unlike accuracy */
  double calibration; /* expected calibration error */
  char sentence[400]; /* the combination in plain English */
} eval_reading;
void eval_report_read(const eval_report *report, eval_reading *reading);

void eval_report_json(const eval_report *report);
void eval_report_text(const eval_report *report);

#endif
