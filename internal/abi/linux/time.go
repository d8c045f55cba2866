package linux

// Timespec is struct __kernel_timespec.
type Timespec struct{ Sec, Nsec int64 }

// Timeval is struct __kernel_old_timeval.
type Timeval struct{ Sec, Usec int64 }

// Itimerspec is struct __kernel_itimerspec.
type Itimerspec struct{ Interval, Value Timespec }

// Itimerval is struct __kernel_old_itimerval.
type Itimerval struct{ Interval, Value Timeval }

// TFD_IOC_SET_TICKS is _IOW('T', 0, u64) of timerfd, which needs
// CONFIG_CHECKPOINT_RESTORE.
const TFD_IOC_SET_TICKS = 0x40085400
