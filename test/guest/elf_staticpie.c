/* build: -static-pie -pthread -lm */
#include "elfcheck.h"
