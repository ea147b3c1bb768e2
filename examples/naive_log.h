/* Three ways to the cross-entropy of a confident mistake, each on the device: logits [0, −margin], where the second class
 * is the right one. */
#ifndef NAIVE_LOG_H
#define NAIVE_LOG_H

#include "device.h"

typedef enum way {
  NAIVE,   /* softmax, then −log p; backward −1 / p, then through the softmax */
  CLIPPED, /* the same of max(p, 1e-10), whose gradient below is 0 */
  FUSED,   /* clloss_xent_fused, from the logits */
  WAYS
} way;

typedef struct mistake {
  float margin;                 /* set by the caller */
  float p;                      /* the right class's probability, as the softmax gives it */
  float loss[WAYS], grad[WAYS]; /* nats; d loss / d logit of the right class */
} mistake;

/* False, with a line on stderr, on failure. */
bool naive_log_measure(device *dev, mistake *mistakes, size_t n);

#endif
