/* The source of test_math.cl, embedded by the build. */
#ifndef CLLOSS_TESTS_MATH_H
#define CLLOSS_TESTS_MATH_H

extern const char test_math_cl[];

#endif
