package linux

// CSIGNAL is the part of clone(2) flags that is the exit signal.
const CSIGNAL = 0xff
