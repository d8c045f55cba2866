package stub

import _ "embed"

//go:embed zz_generated_stub_amd64.elf
var elf []byte
