package local_test
import ("testing";"os";"fmt";"time")
func TestZZ(t *testing.T) {
 m := open(t)
 for i := range 4 { n := fmt.Sprint("z",i); t0 := time.Now(); m.create(t, n); d := time.Since(t0)
 b, _ := os.ReadFile(m.opts.Dir+"/"+n+"/shim.log"); t.Logf("%v\n%s", d, b) }
}
