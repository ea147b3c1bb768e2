/* A lock, for what ctx share: the one thing of the library that several threads may come to at once. */
#ifndef CLLOSS_HOST_LOCK_H
#define CLLOSS_HOST_LOCK_H

#ifdef _WIN32
#  include <windows.h>
typedef SRWLOCK clloss__lock;
static inline void clloss__lock_init(clloss__lock *lock) { InitializeSRWLock(lock); }
static inline void clloss__lock_take(clloss__lock *lock) { AcquireSRWLockExclusive(lock); }
static inline void clloss__lock_give(clloss__lock *lock) { ReleaseSRWLockExclusive(lock); }
static inline void clloss__lock_end(clloss__lock *lock) { (void)lock; }
#else
#  include <pthread.h>
/* None of these fails for a plain lock that is used as here (POSIX 2008, pthread_mutex_lock). */
typedef pthread_mutex_t clloss__lock;
static inline void clloss__lock_init(clloss__lock *lock) { pthread_mutex_init(lock, NULL); }
static inline void clloss__lock_take(clloss__lock *lock) { pthread_mutex_lock(lock); }
static inline void clloss__lock_give(clloss__lock *lock) { pthread_mutex_unlock(lock); }
static inline void clloss__lock_end(clloss__lock *lock) { pthread_mutex_destroy(lock); }
#endif

#endif
