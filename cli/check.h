/* `clloss check`: the suite of check/suite.h on one device. The command itself never touches OpenCL: for each loss and
 * element type a child of its own does, so that a driver that crashes ends a point, and what is left goes on in the next
 * child. Children tell what they do over a pipe, in messages of one size.
 *
 *   check.c         the command line, the order of things, the verdict's exit status
 *   check_child.c   a child: opens the device, runs points, tells
 *   check_run.c     the parent: starts children, listens, ends those that take too long
 *   check_report.c  what is printed */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include "suite.h"

enum {
  CHECK_GROUPS = SUITE_LOSSES * SUITE_TYPES,
  CHECK_NAME = 200,
  CHECK_WORDS = 800,
  CHECK_PASSES = 3,   /* numbered as harness_case.pass: forward, backward, fused */
  CHECK_PATIENCE = 8, /* calls that failed, after which a group is given up */
  CHECK_DEAD = 16,    /* lines of a group that may crash before it is given up */

  CHECK_QUICK_S = 55 /* what the quick suite may take, with a little left for the verdict */
};

typedef struct check_request {
  size_t device;
  bool full, json;
  uint64_t seed;
  int only_loss; /* SUITE_LOSSES: all */
  int only_type; /* of suite_types; SUITE_TYPES: all */
  size_t only;   /* SIZE_MAX: all points */
} check_request;

/* What the first child finds out. */
typedef struct check_facts {
  char device[CHECK_NAME], driver[CHECK_NAME], platform[CHECK_NAME];
  size_t local_most;
  double most_bytes; /* that a point may move */
  bool f64;
} check_facts;

typedef enum check_kind {
  CHECK_FACTS,   /* of the device; or */
  CHECK_MISSING, /* there is no such device: `number` says how many there are; or */
  CHECK_REFUSED, /* in `words`, why nothing can run on it */
  CHECK_BEGIN,   /* a point, in `words` */
  CHECK_END,     /* it ran */
  CHECK_SKIPPED, /* it needs more memory than there is */
  CHECK_DROPPED  /* it is of a line that has crashed */
} check_kind;

/* Which line a point belongs to. */
typedef struct check_name {
  char loss[SUITE_FAMILY], family[SUITE_FAMILY];
} check_name;

typedef struct check_message {
  check_kind kind;
  size_t number;
  check_name name;
  char words[CHECK_WORDS];
  unsigned passes, wrong;       /* bits 1 << harness_case.pass: that the point has, that are wrong */
  bool in_place, updates, died; /* died: the call, or OpenCL, failed */
  double max_used, seconds;
  check_facts facts;
} check_message;

/* What is known of one loss, element type and family. */
typedef struct check_line {
  int group, rank; /* rank: place among the losses */
  check_name name;
  unsigned passes, wrong;
  size_t points, failed, failed_in_place, failed_updates;
  double max_used, seconds;
  char first[2 * CHECK_WORDS]; /* the first failure, */
  size_t number;               /* its point, */
  char end[64];                /* and how the process ended where it did: "crashed: signal 11" */
} check_line;

typedef enum check_state { CHECK_WAITS, CHECK_RUNS, CHECK_ENDED, CHECK_LATE, CHECK_GIVEN_UP } check_state;

/* What one child after the other works through. */
typedef struct check_group {
  int loss, type; /* of suite_types */
  check_state state;
  size_t planned, done, skipped, dropped;
  size_t from;     /* number of the next point */
  size_t failures; /* CHECK_PATIENCE */
  check_name dead[CHECK_DEAD];
  size_t n_dead;
} check_group;

typedef struct check {
  check_request request;
  check_facts facts;
  check_group groups[CHECK_GROUPS]; /* in the order in which they start: every loss in f32 first */
  check_line *lines;
  size_t n_lines;
  double start, seconds;
} check;

suite check_suite(const check *c, const check_group *g);
bool check_same_name(const check_name *a, const check_name *b);

/* check_child.c: never returns. Everything about the points of g from number g->from goes to the pipe; without a group
 * only the facts do. */
_Noreturn void check_child(const check *c, const check_group *g, int pipe);

/* check_run.c. The facts, by a child; false after a line on stderr, with the exit status. */
bool check_ask_facts(check *c, int *status);
/* Every group that waits. False: out of memory, which has been said. */
bool check_run(check *c);

/* check_report.c */
void check_say_failures(const check *c); /* on stderr */
void check_print(check *c);              /* on stdout: table and sentence, or JSON */
bool check_is_wrong(const check *c);
size_t check_points(const check *c); /* that ran */

#endif
