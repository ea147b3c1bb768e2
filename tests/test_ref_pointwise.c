/* The scalar reference of elementwise losses: values worked out on paper, in f32 and f64; derivatives by finite
 * differences in f64, where the loss is trusted; identities between losses; reductions.
 *
 * Usage: test_ref_pointwise [SEED] */
#include "clloss/clloss_ref.h"

#include "ref_check.h"

#include <stdlib.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))
#define LN2         0.69314718055994531
#define INF         ((double)INFINITY)

typedef struct {
  double loss, grad;
} value;

/* One element, the options taken from `a`. */
static value solve64(clloss_ref_pointwise a, double x, double y, double pos_weight) {
  value v = {77, 77};
  a.rows = a.classes = 1;
  a.reduction = CLLOSS_NONE;
  a.input = &x, a.target = &y, a.pos_weight = &pos_weight;
  a.element_loss = &v.loss, a.grad = &v.grad;
  clloss_ref_pointwise_f64(&a);
  return v;
}

static value solve32(clloss_ref_pointwise a, double wide_x, double wide_y, double wide_pos_weight) {
  float x = (float)wide_x, y = (float)wide_y, pos_weight = (float)wide_pos_weight, loss = 77, grad = 77;
  a.rows = a.classes = 1;
  a.reduction = CLLOSS_NONE;
  a.input = &x, a.target = &y, a.pos_weight = &pos_weight;
  a.element_loss = &loss, a.grad = &grad;
  clloss_ref_pointwise_f32(&a);
  return (value){(double)loss, (double)grad};
}

static const struct {
  clloss_ref_pointwise a;
  double x, y, pos_weight, loss, grad;
} paper[] = {
    {{.kind = CLLOSS_BCE_LOGITS}, 0, 1, 1, LN2, -0.5},
    {{.kind = CLLOSS_BCE_LOGITS}, 0, 0.25, 3, 1.5 * LN2, 0},
    {{.kind = CLLOSS_BCE_LOGITS}, INF, 1, 1, 0, 0},
    {{.kind = CLLOSS_BCE_LOGITS}, INF, 0, 1, INF, 1},
    {{.kind = CLLOSS_BCE_LOGITS}, -INF, 1, 2, INF, -2},
    {{.kind = CLLOSS_BCE_LOGITS}, -INF, 0, 1, 0, 0},
    {{.kind = CLLOSS_BCE_LOGITS}, NAN, 0, 1, NAN, NAN},
    {{.kind = CLLOSS_BCE}, 0.5, 1, 1, LN2, -2},
    {{.kind = CLLOSS_BCE}, 0.25, 0, 1, 2 * LN2 - 1.0986122886681098, 4.0 / 3},
    {{.kind = CLLOSS_BCE}, 0, 1, 1, 100, -1 / (double)1e-12f},
    {{.kind = CLLOSS_BCE}, 1, 0, 1, 100, 1 / (double)1e-12f},
    {{.kind = CLLOSS_BCE}, 0, 0, 1, 0, 0},
    {{.kind = CLLOSS_BCE, .clip = 0x1p-10}, 0, 1, 1, 10 * LN2, 0},
    {{.kind = CLLOSS_BCE, .clip = 0x1p-10}, 1, 0, 1, 10 * LN2, 0},
    {{.kind = CLLOSS_BCE, .clip = 0.25}, 0.5, 1, 1, LN2, -2},
    {{.kind = CLLOSS_BCE}, 1.5, 0, 1, NAN, NAN},
    {{.kind = CLLOSS_BCE}, 0.5, -0.5, 1, NAN, NAN},
    {{.kind = CLLOSS_KL}, -1, 1, 1, 1, -1},
    {{.kind = CLLOSS_KL}, -3 * LN2, 0.5, 1, LN2, -0.5},
    {{.kind = CLLOSS_KL}, -INF, 0, 1, 0, 0},
    {{.kind = CLLOSS_KL}, -INF, 0.5, 1, INF, -0.5},
    {{.kind = CLLOSS_KL}, -1, -0.5, 1, NAN, NAN},
    {{.kind = CLLOSS_KL, .flags = CLLOSS_LOG_TARGET}, -2, -LN2, 1, 1 - LN2 / 2, -0.5},
    {{.kind = CLLOSS_KL, .flags = CLLOSS_LOG_TARGET}, -INF, -INF, 1, 0, 0},
    {{.kind = CLLOSS_MSE}, 3, 1, 1, 4, 4},
    {{.kind = CLLOSS_MSE}, INF, 1, 1, INF, INF},
    {{.kind = CLLOSS_SMOOTH_L1}, 1.5, 1, 1, 0.125, 0.5},
    {{.kind = CLLOSS_SMOOTH_L1, .delta = 4}, 1, 3, 1, 0.5, -0.5},
    {{.kind = CLLOSS_SMOOTH_L1, .delta = 2}, 7, 1, 1, 5, 1},
    {{.kind = CLLOSS_SMOOTH_L1, .flags = CLLOSS_SET_DELTA}, -2, 1, 1, 3, -1},
    {{.kind = CLLOSS_SMOOTH_L1, .flags = CLLOSS_SET_DELTA}, 2, 2, 1, 0, 0},
    {{.kind = CLLOSS_SMOOTH_L1}, -INF, 1, 1, INF, -1},
    {{.kind = CLLOSS_SMOOTH_L1}, NAN, 1, 1, NAN, NAN},
    {{.kind = CLLOSS_HUBER}, 1.5, 1, 1, 0.125, 0.5},
    {{.kind = CLLOSS_HUBER, .delta = 2}, 7, 1, 1, 10, 2},
    {{.kind = CLLOSS_HUBER, .delta = 2}, 1, 7, 1, 10, -2},
    {{.kind = CLLOSS_HUBER}, 1, NAN, 1, NAN, NAN},
    {{.kind = CLLOSS_FOCAL}, 0, 1, 1, LN2 / 16, -(LN2 + 0.5) / 16},
    {{.kind = CLLOSS_FOCAL}, 0, 0, 1, 3 * LN2 / 16, 3 * (LN2 + 0.5) / 16},
    {{.kind = CLLOSS_FOCAL, .alpha = -1, .gamma = 1}, 0, 1, 1, LN2 / 2, -(LN2 / 4 + 0.25)},
    {{.kind = CLLOSS_FOCAL, .alpha = -1, .flags = CLLOSS_SET_GAMMA}, 0, 1, 1, LN2, -0.5},
    {{.kind = CLLOSS_FOCAL, .flags = CLLOSS_SET_ALPHA}, 0, 1, 1, 0, 0},
    {{.kind = CLLOSS_FOCAL}, INF, 1, 1, 0, 0},
    {{.kind = CLLOSS_FOCAL}, INF, 0, 1, INF, 0.75},
    {{.kind = CLLOSS_FOCAL, .alpha = 1}, INF, 0, 1, 0, 0},
    {{.kind = CLLOSS_FOCAL}, 0, 1.5, 1, NAN, NAN},
};

static void values(void) {
  testing = "values on paper";
  for (size_t i = 0; i < COUNT(paper); i++) {
    const value wide = solve64(paper[i].a, paper[i].x, paper[i].y, paper[i].pos_weight);
    const value narrow = solve32(paper[i].a, paper[i].x, paper[i].y, paper[i].pos_weight);
    const int before = failures;
    NEAR(wide.loss, paper[i].loss, 1e-15 * fabs(paper[i].loss));
    NEAR(wide.grad, paper[i].grad, 1e-15 * fabs(paper[i].grad));
    NEAR(narrow.loss, paper[i].loss, 1e-6 * fabs(paper[i].loss));
    NEAR(narrow.grad, paper[i].grad, 1e-6 * fabs(paper[i].grad));
    if (failures != before) printf("  in line %zu of the table\n", i);
  }
}

/* Where a kind's input and target lie, away from its kinks. */
static const struct {
  clloss_ref_pointwise a;
  double x_low, x_high, y_low, y_high;
} domains[] = {
    {{.kind = CLLOSS_BCE_LOGITS}, -6, 6, 0, 1},
    {{.kind = CLLOSS_BCE}, 0.05, 0.95, 0, 1},
    {{.kind = CLLOSS_BCE, .clip = 0x1p-8}, 0.05, 0.95, 0, 1},
    {{.kind = CLLOSS_KL}, -6, 0, 0, 1},
    {{.kind = CLLOSS_KL, .flags = CLLOSS_LOG_TARGET}, -6, 0, -6, 0},
    {{.kind = CLLOSS_MSE}, -6, 6, -6, 6},
    {{.kind = CLLOSS_SMOOTH_L1, .delta = 3}, -2, 0, 0, 0.5},
    {{.kind = CLLOSS_SMOOTH_L1, .delta = 0.5}, 2, 9, 0, 1},
    {{.kind = CLLOSS_HUBER, .delta = 3}, -2, 0, 0, 0.5},
    {{.kind = CLLOSS_HUBER, .delta = 0.5}, 2, 9, 0, 1},
    {{.kind = CLLOSS_FOCAL}, -6, 6, 0, 1},
    {{.kind = CLLOSS_FOCAL, .gamma = 0.5, .alpha = -1}, -6, 6, 0, 1},
};

/* Central differences of step h: the third derivative, at most 2 · 20³ here, times h² / 6, and 2^-52 of a loss below 100,
 * over h. */
static void differences(void) {
  const double h = 0x1p-16, bound = 16000 * h * h / 6 + 100 * 0x1p-52 / h;
  testing = "finite differences";
  for (size_t i = 0; i < COUNT(domains); i++)
    for (int n = 0; n < 200; n++) {
      const double x = uniform(domains[i].x_low, domains[i].x_high), pos_weight = uniform(0, 3);
      const double y = uniform(domains[i].y_low, domains[i].y_high);
      const double slope = (solve64(domains[i].a, x + h, y, pos_weight).loss -
                            solve64(domains[i].a, x - h, y, pos_weight).loss) /
                           (2 * h);
      const int before = failures;
      NEAR(solve64(domains[i].a, x, y, pos_weight).grad, slope, bound);
      if (failures != before) printf("  kind %u, x %.17g, y %.17g\n", domains[i].a.kind, x, y);
    }
}

static void identities(void) {
  testing = "identities";
  for (int n = 0; n < 500; n++) {
    /* BCE of a logit is softmax cross-entropy of [0, x] */
    const double x = uniform(-30, 30);
    const int64_t target = (int64_t)(bits() % 2);
    double logits[2] = {0, x}, loss, grad[2];
    clloss_ref_xent_f64(&(clloss_ref_xent){
        .rows = 1, .classes = 2, .logits = logits, .targets = &target, .loss = &loss, .grad = grad});
    const value bce = solve64((clloss_ref_pointwise){.kind = CLLOSS_BCE_LOGITS}, x, (double)target, 1);
    NEAR(bce.loss, loss, 8 * 0x1p-52 * (1 + fabs(x)));
    NEAR(bce.grad, grad[1], 8 * 0x1p-52);
    /* … and BCE of its probability */
    const double p = 1 / (1 + exp(-x / 6));
    NEAR(solve64((clloss_ref_pointwise){.kind = CLLOSS_BCE}, p, (double)target, 1).loss,
         solve64((clloss_ref_pointwise){.kind = CLLOSS_BCE_LOGITS}, x / 6, (double)target, 1).loss, 1e-13);
    /* KL(t ‖ t) = 0 */
    const double t = uniform(0, 1);
    NEAR(solve64((clloss_ref_pointwise){.kind = CLLOSS_KL}, log(t), t, 1).loss, 0, 0);
    NEAR(solve64((clloss_ref_pointwise){.kind = CLLOSS_KL, .flags = CLLOSS_LOG_TARGET}, -t, -t, 1).loss, 0,
         0);
    /* Huber is half of MSE for a large δ, and δ times smooth-L1 */
    const double y = uniform(-30, 30), delta = uniform(0.1, 50);
    NEAR(solve64((clloss_ref_pointwise){.kind = CLLOSS_HUBER, .delta = 61}, x, y, 1).loss,
         solve64((clloss_ref_pointwise){.kind = CLLOSS_MSE}, x, y, 1).loss / 2, 0);
    const double l1 = solve64((clloss_ref_pointwise){.kind = CLLOSS_SMOOTH_L1, .delta = delta}, x, y, 1).loss;
    const double huber = solve64((clloss_ref_pointwise){.kind = CLLOSS_HUBER, .delta = delta}, x, y, 1).loss;
    NEAR(huber, delta * l1, 8 * 0x1p-52 * (huber + delta * delta));
  }
}

/* MSE of [[1, 2, 3], [4, 5, 6]] against 0 in every reduction, with weights each way. */
static void reductions(void) {
  static const double x[6] = {1, 2, 3, 4, 5, 6}, zero[6] = {0}, w[6] = {2, 0, 1, 1, 3, 1};
  static const double upstream = -2, each[6] = {1, -1, 2, -2, 3, -3};
  double loss, element[6], grad[6];
  clloss_ref_pointwise a = {.rows = 2, .classes = 3, .kind = CLLOSS_MSE, .input = x, .target = zero};
  a.loss = &loss, a.element_loss = element, a.grad = grad;
  a.grad_loss = &upstream;
  testing = "reductions";
#define SOLVED(expected, first_grad)                        \
  do {                                                      \
    loss = 77;                                              \
    clloss_ref_pointwise_f64(&a);                           \
    NEAR(loss, expected, 1e-15 * fabs((double)(expected))); \
    NEAR(grad[0], first_grad, 1e-15 * 8);                   \
  } while (0)
  SOLVED(91.0 / 6, -4.0 / 6);
  a.reduction = CLLOSS_SUM;
  SOLVED(91, -4);
  a.reduction = CLLOSS_BATCHMEAN;
  SOLVED(45.5, -2);
  a.reduction = CLLOSS_MEAN;
  a.divisor = 10;
  SOLVED(9.1, -0.4);
  a.divisor = 0;
  a.weight = w, a.weight_row_stride = 3, a.weight_class_stride = 1;
  SOLVED((2 + 9 + 16 + 75 + 36) / 8.0, -1); /* over Σ w */
  NEAR(element[4], 75, 0);
  NEAR(element[1], 0, 0);
  a.weight_row_stride = 0; /* rows share 2, 0, 1 */
  SOLVED((2 + 9 + 32 + 36) / 6.0, -8.0 / 6);
  a.weight_row_stride = 1, a.weight_class_stride = 0; /* 2 for the first row, 0 for the second */
  SOLVED(28.0 / 6, -8.0 / 6);
  a.weight = zero;
  SOLVED(NAN, NAN);
  a.weight = w, a.weight_row_stride = 3, a.weight_class_stride = 1, a.kind = CLLOSS_HUBER, a.delta = 100;
  SOLVED((2 + 9 + 16 + 75 + 36) / 12.0, -4.0 / 6); /* over the number of elements */
  a = (clloss_ref_pointwise){.rows = 2, .classes = 3, .kind = CLLOSS_MSE, .reduction = CLLOSS_NONE};
  a.input = x, a.target = zero, a.loss = &loss, a.grad = grad;
  a.grad_loss = each, a.grad_loss_row_stride = 3, a.grad_loss_class_stride = 1;
  a.flags = CLLOSS_GRAD_ALPHA, a.grad_alpha = 0.5, a.grad_beta = 2;
  for (int i = 0; i < 6; i++) grad[i] = 10;
  loss = 77;
  clloss_ref_pointwise_f64(&a);
  NEAR(loss, 77, 0);
  for (int i = 0; i < 6; i++) NEAR(grad[i], 20 + each[i] * x[i], 0);
}

static void faults(void) {
  static const double x[6] = {0.5, NAN, 0.5, 1.5, 0.5, -1}, y[6] = {0, 0, 0, 0, 0.5, 0};
  int64_t counts[CLLOSS_POINTWISE_COUNTS];
  testing = "faults";
  clloss_ref_pointwise a = {
      .rows = 2, .classes = 3, .kind = CLLOSS_BCE, .input = x, .target = y, .counts = counts};
  clloss_ref_pointwise_f64(&a);
  CHECK(counts[CLLOSS_COUNT_FAULTS] == 2 && counts[CLLOSS_COUNT_FIRST_FAULT] == 3);
  a.kind = CLLOSS_MSE;
  clloss_ref_pointwise_f64(&a);
  CHECK(counts[CLLOSS_COUNT_FAULTS] == 0 && counts[CLLOSS_COUNT_FIRST_FAULT] == -1);
}

int main(int argc, char **argv) {
  state = argc > 1 ? strtoull(argv[1], NULL, 10) : 20240617;
  values();
  differences();
  identities();
  reductions();
  faults();
  if (failures) printf("%d failed\n", failures);
  return failures != 0;
}
