// Command gohttp serves HTTP on loopback and asks itself from many goroutines.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
)

func main() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fatal("listen", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Length", fmt.Sprint(len(body)))
		w.Write(body)
	})
	mux.HandleFunc("/big", func(w http.ResponseWriter, r *http.Request) {
		block := strings.Repeat("0123456789abcdef", 1024)
		for range 64 {
			io.WriteString(w, block)
		}
	})
	srv := &http.Server{Handler: mux}
	done := make(chan error)
	go func() { done <- srv.Serve(ln) }()

	base := "http://" + ln.Addr().String()
	var wg sync.WaitGroup
	var good atomic.Int32
	for i := range 20 {
		wg.Go(func() {
			for j := range 10 {
				text := strings.Repeat(fmt.Sprint(i, j, ";"), 100*j+1)
				resp, err := http.Post(base+"/echo", "text/plain", strings.NewReader(text))
				if err != nil {
					fatal("post", err)
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err == nil && string(body) == text {
					good.Add(1)
				}
			}
		})
	}
	wg.Wait()
	resp, err := http.Get(base + "/big")
	if err != nil {
		fatal("get", err)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil {
		fatal("read", err)
	}
	resp.Body.Close()
	fmt.Println("echoes:", good.Load(), "bytes:", n)
	srv.Close()
	fmt.Println("serve:", <-done)
	if _, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		fmt.Println("still listening")
		os.Exit(1)
	}
}

func fatal(what string, err error) {
	fmt.Println(what, err)
	os.Exit(1)
}
