/* Elementwise losses, the mathematics of clloss_ref.h in plain C: included by ref.c like xent_ref.h, once per type, with
 * LOG1P and FABS beside its macros. A kind is one function, of its name in CLLOSS_POINTWISE_LIST. Sums run in blocks of BLOCK
 * terms. */

typedef struct ELEMENT {
  REAL loss, grad;
  int fault; /* a probability is outside its range */
} ELEMENT;

/* 0 · ∞ = 0; NaN stays. */
static REAL F(product)(REAL a, REAL b) { return a == 0 && b == b ? 0 : a * b; }

/* log(1 + exp x) */
static REAL F(softplus)(REAL x) { return (x > 0 ? x : 0) + LOG1P(EXP(-FABS(x))); }

/* σ(x) */
static REAL F(sigmoid)(REAL x) {
  REAL e = EXP(-FABS(x));
  return (x < 0 ? e : 1) / (1 + e);
}

static ELEMENT F(bce_logits)(const clloss_ref_pointwise *a, REAL x, REAL y, REAL pos_weight) {
  REAL of_no = 1 - y, of_yes = pos_weight * y;
  (void)a;
  return (ELEMENT){F(product)(of_no, F(softplus)(x)) + F(product)(of_yes, F(softplus)(-x)),
                   of_no * F(sigmoid)(x) - of_yes * F(sigmoid)(-x), 0};
}

static REAL F(clamped)(REAL x, REAL least, REAL most) { return x < least ? least : x > most ? most : x; }

static ELEMENT F(bce)(const clloss_ref_pointwise *a, REAL x, REAL y, REAL pos_weight) {
  REAL clip = (REAL)a->clip, least = clip > 0 ? LOG(clip) : -100, most = LOG1P(-clip);
  REAL log_x = F(clamped)(LOG(x), least, most), log_rest = F(clamped)(LOG1P(-x), least, most);
  REAL steep = x * (1 - x), floor_of = 1e-12f; /* a float in f64 too, as in PyTorch */
  int clipped = clip > 0 && (x <= clip || 1 - x <= clip);
  (void)pos_weight;
  return (ELEMENT){-(y * log_x + (1 - y) * log_rest),
                   clipped ? 0 : (x - y) / (steep < floor_of ? floor_of : steep),
                   x < 0 || x > 1 || y < 0 || y > 1};
}

static ELEMENT F(kl)(const clloss_ref_pointwise *a, REAL x, REAL y, REAL pos_weight) {
  int is_log = (a->flags & CLLOSS_LOG_TARGET) != 0;
  REAL t = is_log ? EXP(y) : y, log_t = is_log ? y : LOG(y);
  (void)pos_weight;
  return (ELEMENT){F(product)(t, (t == 0 ? 0 : log_t) - x), -t, t < 0};
}

static ELEMENT F(mse)(const clloss_ref_pointwise *a, REAL x, REAL y, REAL pos_weight) {
  (void)a, (void)pos_weight;
  return (ELEMENT){(x - y) * (x - y), 2 * (x - y), 0};
}

static REAL F(delta)(const clloss_ref_pointwise *a) {
  return a->delta == 0 && !(a->flags & CLLOSS_SET_DELTA) ? 1 : (REAL)a->delta;
}

static ELEMENT F(smooth_l1)(const clloss_ref_pointwise *a, REAL x, REAL y, REAL pos_weight) {
  REAL d = x - y, beta = F(delta)(a), sign = d > 0 ? 1 : d < 0 ? -1 : d;
  (void)pos_weight;
  if (FABS(d) < beta) return (ELEMENT){d * d / (2 * beta), d / beta, 0};
  return (ELEMENT){FABS(d) - beta / 2, sign, 0};
}

static ELEMENT F(huber)(const clloss_ref_pointwise *a, REAL x, REAL y, REAL pos_weight) {
  REAL d = x - y, delta = F(delta)(a), sign = d > 0 ? 1 : d < 0 ? -1 : d;
  (void)pos_weight;
  if (FABS(d) < delta) return (ELEMENT){d * d / 2, d, 0};
  return (ELEMENT){delta * (FABS(d) - delta / 2), delta * sign, 0};
}

static ELEMENT F(focal)(const clloss_ref_pointwise *a, REAL x, REAL y, REAL pos_weight) {
  REAL gamma = a->gamma == 0 && !(a->flags & CLLOSS_SET_GAMMA) ? 2 : (REAL)a->gamma;
  REAL alpha = a->alpha == 0 && !(a->flags & CLLOSS_SET_ALPHA) ? (REAL)0.25 : (REAL)a->alpha;
  REAL balance = alpha < 0 ? 1 : alpha * y + (1 - alpha) * (1 - y);
  REAL p = F(sigmoid)(x), not_p = F(sigmoid)(-x), wrong = (1 - y) * p + y * not_p;
  ELEMENT bce = F(bce_logits)(a, x, y, 1);
  REAL power = gamma == 0 ? 1 : EXP(gamma * LOG(wrong)),
       steep = wrong == 0 ? 0 : (1 - 2 * y) * p * not_p / wrong;
  (void)pos_weight;
  return (ELEMENT){F(product)(balance, F(product)(power, bce.loss)),
                   balance * power * (gamma * F(product)(steep, bce.loss) + bce.grad), y < 0 || y > 1};
}

static ELEMENT F(pointwise_element)(const clloss_ref_pointwise *a, size_t r, size_t c) {
  REAL x = ((const REAL *)a->input)[r * a->classes + c], y = ((const REAL *)a->target)[r * a->classes + c];
  REAL pos_weight = a->pos_weight ? ((const REAL *)a->pos_weight)[c] : 1;
  ELEMENT e = {(REAL)NAN, (REAL)NAN, 0};
  switch (a->kind) {
#define POINTWISE_CASE(name, value, word, kernel, traits) \
  case CLLOSS_##name: e = F(kernel)(a, x, y, pos_weight); break;
    CLLOSS_POINTWISE_LIST(POINTWISE_CASE)
#undef POINTWISE_CASE
  }
  if (e.fault) e.loss = e.grad = (REAL)NAN;
  if (!a->weight) return e;
  REAL w = ((const REAL *)a->weight)[r * a->weight_row_stride + c * a->weight_class_stride];
  e.loss = F(product)(w, e.loss);
  e.grad = F(product)(w, e.grad);
  return e;
}

static REAL F(pointwise_divisor)(const clloss_ref_pointwise *a) {
  if (a->reduction == CLLOSS_BATCHMEAN) return (REAL)a->rows;
  if (a->reduction != CLLOSS_MEAN) return 1;
  if (a->divisor != 0) return (REAL)a->divisor;
  if (!a->weight || !(pointwise_traits(a->kind) & CLLOSS_MEAN_BY_WEIGHT))
    return (REAL)a->rows * (REAL)a->classes;
  REAL sum = 0;
  for (size_t from = 0; from < a->rows * a->classes; from += BLOCK) {
    size_t to = a->rows * a->classes - from < BLOCK ? a->rows * a->classes : from + BLOCK;
    REAL part = 0;
    for (size_t i = from; i < to; i++)
      part += ((const REAL *)a
                   ->weight)[i / a->classes * a->weight_row_stride + i % a->classes * a->weight_class_stride];
    sum += part;
  }
  return sum;
}

/* The upstream gradient, alpha and the divisor. */
static REAL F(pointwise_factor)(const clloss_ref_pointwise *a, REAL divisor, size_t r, size_t c) {
  REAL factor = (a->flags & CLLOSS_GRAD_ALPHA ? (REAL)a->grad_alpha : 1) / divisor;
  size_t at = a->reduction == CLLOSS_NONE ? r * a->grad_loss_row_stride + c * a->grad_loss_class_stride : 0;
  return a->grad_loss ? ((const REAL *)a->grad_loss)[at] * factor : factor;
}

void F(clloss_ref_pointwise)(const clloss_ref_pointwise *a) {
  REAL divisor = F(pointwise_divisor)(a), sum = 0;
  size_t n = a->rows * a->classes;
  REAL *grad = a->grad, *element_loss = a->element_loss;
  if (a->counts) a->counts[CLLOSS_COUNT_FAULTS] = 0, a->counts[CLLOSS_COUNT_FIRST_FAULT] = -1;
  for (size_t from = 0; from < n; from += BLOCK) {
    size_t to = n - from < BLOCK ? n : from + BLOCK;
    REAL part = 0;
    for (size_t i = from; i < to; i++) {
      ELEMENT e = F(pointwise_element)(a, i / a->classes, i % a->classes);
      part += e.loss;
      if (a->counts && e.fault && a->counts[CLLOSS_COUNT_FAULTS]++ == 0)
        a->counts[CLLOSS_COUNT_FIRST_FAULT] = (int64_t)i;
      if (element_loss) element_loss[i] = e.loss;
      if (!grad) continue;
      REAL g = F(pointwise_factor)(a, divisor, i / a->classes, i % a->classes) * e.grad;
      grad[i] = a->grad_beta != 0 ? g + (REAL)a->grad_beta * grad[i] : g;
    }
    sum += part;
  }
  if (a->loss && a->reduction != CLLOSS_NONE) *(REAL *)a->loss = sum / divisor;
}
