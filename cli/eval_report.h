/* The result of `clloss eval`, and its two ways onto stdout. */
#ifndef EVAL_REPORT_H
#define EVAL_REPORT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct eval_result {
  uint32_t reduction;
  uint64_t rows, ignored, bad_targets, classes;
  double loss;     /* reduced; meaningless with CLLOSS_NONE */
  double mean;     /* of the losses of valid rows, whatever the reduction */
  double accuracy; /* share of valid rows whose prediction is the target */
  double entropy;  /* mean over valid rows of the prediction's */
  const char *device;
  int digits; /* significant digits that make the numbers round-trip */
} eval_result;

void eval_report_json(const eval_result *result);
void eval_report_text(const eval_result *result);

#endif
