package trap

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"sentinel/internal/platform/platformtest"
)

// TestGenerated builds the stub anew.
func TestGenerated(t *testing.T) { platformtest.Rebuild(t, "stub/gen.sh", elf) }

// snake gives the name in C of a field.
func snake(name string) string {
	switch name {
	case "TrapNo", "ErrCode":
		return strings.ToLower(name)
	case "StackSP", "StackFlags", "StackSize":
		return "ss_" + strings.ToLower(name[len("Stack"):])
	}
	var b strings.Builder
	r := []rune(name)
	for i, c := range r {
		if unicode.IsUpper(c) && i > 0 && unicode.IsLower(r[i-1]) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// TestLayout compares layout.go with stub.h, as the C compiler sees it.
func TestLayout(t *testing.T) {
	want := map[string]uint64{
		"REGION": regionBase, "SLOT_SIZE": slotSize, "SLOTS": slots, "REGION_SIZE": regionSize,
		"OFF_ORDERS": offOrders, "OFF_STACK": offStack, "STACK_SIZE": stackSize, "OFF_BUF": offBuf,
		"IN_MAX": inSize, "VEC_DATA": vecData, "OFF_OUT": offOut, "OUT_MAX": outSize, "OFF_OUT2": offOut2, "OUT_LEN2": outLen2, "OFF_UC": offUC, "OFF_SELF": offSelf, "OFF_FP": offFP,
		"ST_GUEST": stGuest, "ST_EVENT": stEvent, "ST_REPLY": stReply,
		"EV_READY": evReady, "EV_SYSCALL": evSyscall, "EV_FAULT": evFault, "EV_INTERRUPT": evInterrupt, "EV_DONE": evDone, "EV_PATCHED": evPatched,
		"OP_RETURN": opReturn, "OP_RESUME": opResume, "OP_ORDERS": opOrders, "OP_BLOCK": opBlock, "OP_CLONE": opClone,
		"OP_EXIT": opExit, "OP_CAS": opCAS, "OP_SAVE_FP": opSaveFP, "OP_FINISH": opFinish,
		"RECV_DROP": recvDrop, "RECV_TAKE": recvTake, "RECV_KEEP": recvKeep,
		"sizeof(struct order)": orderSize,
	}
	for name, typ := range map[string]reflect.Type{"cb": reflect.TypeFor[control](), "order": reflect.TypeFor[order]()} {
		want["sizeof(struct "+name+")"] = uint64(typ.Size())
		for i := range typ.NumField() {
			f := typ.Field(i)
			if f.Name == "_" {
				continue
			}
			c := snake(f.Name)
			if name == "order" && c == "args" {
				c = "a"
			}
			want[fmt.Sprintf("__builtin_offsetof(struct %s, %s)", name, c)] = uint64(f.Offset)
			want[fmt.Sprintf("sizeof(((struct %s *)0)->%s)", name, c)] = uint64(f.Type.Size())
		}
	}
	for i, name := range []string{"pid", "tid", "uid", "euid", "gid", "egid"} {
		if expr := "__builtin_offsetof(struct cb, " + name + ")"; want[expr] != offPID+4*uint64(i) {
			t.Errorf("%s is %d, and answerOf takes it for %d", expr, want[expr], offPID+4*i)
		}
	}
	var src strings.Builder
	src.WriteString("#include \"stub.h\"\n")
	for expr, v := range want {
		fmt.Fprintf(&src, "_Static_assert((u64)(%s) == %#xUL, \"%s\");\n", expr, v, expr)
	}
	file := filepath.Join(t.TempDir(), "layout.c")
	if err := os.WriteFile(file, []byte(src.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-fsyntax-only", "-I", "stub", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
