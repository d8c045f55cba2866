/* build: -static -pthread -lm */
#include "elfcheck.h"
