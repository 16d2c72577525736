//go:build linux

package main

import "testing"

func TestAdminAddressIsApartFromThatOfTheAPI(t *testing.T) {
	t.Parallel()
	const same = "it is the same address as AOD_ADDR, "
	const other = "; choose another port, as in 127.0.0.1:9090"
	for _, c := range []struct{ admin, api, want string }{
		{"127.0.0.1:9090", "127.0.0.1:8777", ""},
		{"127.0.0.1:0", "127.0.0.1:0", ""},
		{":0", ":8777", ""},
		{"10.0.0.1:8777", "127.0.0.1:8777", ""},
		{"127.0.0.1:8777", "127.0.0.1:8777", same + "127.0.0.1:8777" + other},
		{"localhost:8777", "127.0.0.1:8777", same + "127.0.0.1:8777" + other},
		{"[::1]:8777", "localhost:8777", same + "localhost:8777" + other},
		{":8777", "10.0.0.1:8777", same + "10.0.0.1:8777" + other},
		{"10.0.0.1:8777", "0.0.0.0:8777", same + "0.0.0.0:8777" + other},
		{"9090", "127.0.0.1:8777", "address 9090: missing port in address"},
		{"127.0.0.1:http-alt", "127.0.0.1:8777", "its port is not a number up to 65535: 127.0.0.1:http-alt"},
		{"127.0.0.1:70000", "127.0.0.1:8777", "its port is not a number up to 65535: 127.0.0.1:70000"},
	} {
		got := ""
		if err := apart(c.admin, c.api); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s beside %s: %q, want %q", c.admin, c.api, got, c.want)
		}
	}
}
