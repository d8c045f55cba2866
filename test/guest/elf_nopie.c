/* build: -no-pie -pthread -lm */
#include "elfcheck.h"
