/* The source of drivers.cl, embedded by the build. */
#ifndef CLLOSS_TESTS_DRIVERS_H
#define CLLOSS_TESTS_DRIVERS_H

extern const char drivers_cl[];

#endif
