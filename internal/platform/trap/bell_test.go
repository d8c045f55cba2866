package trap

import "testing"

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		text         string
		major, minor int
	}{
		{"6.18.44-fc-v1045\x00\x00", 6, 18}, {"6.11\x00", 6, 11}, {"5.4.0-generic\x00", 5, 4}, {"7", 7, 0}, {"\x00", 0, 0},
	} {
		major, rest := number([]byte(c.text))
		if minor, _ := number(rest); major != c.major || minor != c.minor {
			t.Errorf("%q is taken for %d.%d", c.text, major, minor)
		}
	}
}
