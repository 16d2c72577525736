package egress

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"time"
)

const (
	// headerTimeout and maxHeader bound the head of a request, idleTimeout a connection between two.
	headerTimeout, idleTimeout = 30 * time.Second, 2 * time.Minute
	maxHeader                  = 64 << 10
	// maxResponseHeader is what a server may answer with before its body.
	maxResponseHeader = 1 << 20
)

// ServeProxy answers what l accepts as an HTTP proxy does: CONNECT, and requests for absolute http:// URLs, upgrades among them.
// A denial is a 403 that says why in one line of text, an upstream that fails a 502. It closes l, and returns nil when Close ends it.
func (e *Egress) ServeProxy(l net.Listener) error {
	leave, ok := e.open(l)
	if !ok {
		return nil
	}
	defer leave()
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			t, err := parseTarget(addr)
			if err != nil {
				return nil, err
			}
			return e.dial(ctx, tcpNetwork, t)
		},
		DisableCompression: true, MaxIdleConns: 64, MaxIdleConnsPerHost: 8, IdleConnTimeout: 30 * time.Second,
		ExpectContinueTimeout: time.Second, MaxResponseHeaderBytes: maxResponseHeader,
	}
	defer transport.CloseIdleConnections()
	silent := log.New(io.Discard, "", 0)
	plain := &httputil.ReverseProxy{
		Rewrite: asSent, Transport: transport, FlushInterval: -1, ErrorLog: silent,
		ErrorHandler: e.fail,
	}
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if done, ok := e.begin(); ok {
				defer done()
				e.proxy(w, r, plain)
			}
		}),
		ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader, ErrorLog: silent,
		BaseContext: func(net.Listener) context.Context { return e.ctx },
	}
	unwatch, ok := e.open(s) // closes the clients, too
	if !ok {
		return nil
	}
	defer unwatch()
	return e.ended(s.Serve(entrance{l, e}))
}

// asSent undoes what ReverseProxy does to requests besides taking out the headers of the hop: the server shall see what the client sent.
func asSent(r *httputil.ProxyRequest) {
	r.Out.URL.RawQuery = r.In.URL.RawQuery
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if values, sent := r.In.Header[name]; sent {
			r.Out.Header[name] = values
		}
	}
}

func (e *Egress) proxy(w http.ResponseWriter, r *http.Request, plain http.Handler) {
	if r.Method == http.MethodConnect {
		e.tunnel(w, r)
		return
	}
	if r.URL.Scheme != "http" || r.URL.Host == "" {
		respond(w, http.StatusBadRequest, "sprite proxy: only CONNECT and absolute http:// URLs are answered here")
		return
	}
	t, err := parseTarget(net.JoinHostPort(r.URL.Hostname(), cmp.Or(r.URL.Port(), "80")))
	if err != nil {
		respond(w, http.StatusBadRequest, "sprite proxy: "+err.Error())
		return
	}
	// Here as well as when dialling: a connection that was kept may serve this request.
	if err := e.policy().decide(tcpNetwork, t, e.hosts); err != nil {
		e.fail(w, r, err)
		return
	}
	plain.ServeHTTP(w, r)
}

// tunnel answers CONNECT.
func (e *Egress) tunnel(w http.ResponseWriter, r *http.Request) {
	t, err := parseTarget(r.Host)
	if err != nil {
		respond(w, http.StatusBadRequest, "sprite proxy: "+err.Error())
		return
	}
	up, err := e.dial(r.Context(), tcpNetwork, t)
	if err != nil {
		e.fail(w, r, err)
		return
	}
	defer up.Close()
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		e.fail(w, r, fmt.Errorf("take over the connection: %w", err))
		return
	}
	c, ok := conn.(*client)
	if !ok {
		_ = conn.Close() // no listener of ours accepted it
		return
	}
	defer c.Close()
	// Written by hand: net/http adds Transfer-Encoding, which no client expects in this answer.
	if _, err := io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	// What the client sent along with its request.
	if _, err := io.CopyN(up, buffered, int64(buffered.Reader.Buffered())); err != nil {
		return
	}
	pipe(c, up)
}

// fail answers with what err is: 403 for a denial, else 502.
func (e *Egress) fail(w http.ResponseWriter, r *http.Request, err error) {
	if d, ok := e.denied(err); ok {
		refuse(w, r, string(d))
		return
	}
	if errors.Is(err, errFull) {
		respond(w, http.StatusServiceUnavailable, "sprite proxy: "+err.Error())
		return
	}
	respond(w, http.StatusBadGateway, "sprite proxy: "+err.Error())
}

// refuse says why also where programs look first: in the status line, which net/http would fill in by itself. A request with a body gets
// the usual line, since its connection has to stay until the body has come.
func refuse(w http.ResponseWriter, r *http.Request, why string) {
	w.Header().Set("X-Sprite-Egress", why)
	text := "sprite network policy: " + why
	if r.ContentLength != 0 || r.Method == http.MethodHead {
		respond(w, http.StatusForbidden, text)
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		respond(w, http.StatusForbidden, text)
		return
	}
	defer conn.Close()
	// A client that has gone needs no answer.
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 403 %s\r\nX-Sprite-Egress: %[1]s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s\n", why, len(text)+1, text)
}

func respond(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // a client that has gone needs no answer
}
