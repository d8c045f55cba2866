// Command nethttp serves HTTP on loopback and asks itself many times at once.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func run() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello %s", r.PathValue("name"))
	})
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	server := &http.Server{Handler: mux}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	base := "http://" + listener.Addr().String()

	var wg sync.WaitGroup
	var mu sync.Mutex
	total := 0
	for i := range 50 {
		wg.Go(func() {
			answer, err := http.Get(fmt.Sprintf("%s/hello/n%d", base, i))
			if err != nil {
				fmt.Println("get:", err)
				return
			}
			defer answer.Body.Close()
			body, _ := io.ReadAll(answer.Body)
			mu.Lock()
			total += len(body)
			mu.Unlock()
		})
	}
	wg.Wait()
	fmt.Println("hello bytes", total)

	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	answer, err := http.Post(base+"/echo", "application/octet-stream", bytes.NewReader(big))
	if err != nil {
		return err
	}
	back, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	fmt.Println("echo", len(back), bytes.Equal(big, back), err)

	http.DefaultClient.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return err
	}
	fmt.Println("closed:", <-done)
	_, err = net.Dial("tcp", listener.Addr().String())
	fmt.Println("refused:", err != nil)
	return nil
}
