package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"evently/internal/config"
)

// maxHealthBody is how much of a response is printed, in bytes.
const maxHealthBody = 4 << 10

// newHealthCommand returns `evently health`, the probe of a container without other programs.
func newHealthCommand() *cobra.Command {
	var url string
	var timeout time.Duration
	health := &cobra.Command{
		Use:   "health",
		Short: "Check the health of a running instance",
		Long: "Print the health of a running instance. The exit code is 0 if it is healthy, else 1.\n" +
			"The default URL is /health/live on LISTEN_ADDR and PORT.",
		Example: "  evently health\n  evently health --url http://localhost:3000/health/ready --timeout 1s",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if url == "" {
				environ, err := config.Environ(dotenv)
				if err != nil {
					return err
				}
				cfg, err := config.Load(environ, 0)
				if err != nil {
					return err
				}
				url = "http://" + net.JoinHostPort(cfg.HTTP.LocalHost(), strconv.Itoa(cfg.HTTP.Port)) + "/health/live"
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return probe(ctx, url, cmd.OutOrStdout())
		},
	}
	health.Flags().StringVar(&url, "url", "", "health URL (default http://LISTEN_ADDR:PORT/health/live)")
	health.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "timeout of the request")
	return health
}

// probe prints the response of url. A status other than 2xx is an error.
func probe(ctx context.Context, url string, out io.Writer) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxHealthBody))
	if err != nil {
		return fmt.Errorf("read the response of %s: %w", url, err)
	}
	if _, err := fmt.Fprintln(out, strings.TrimSpace(string(body))); err != nil {
		return err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("%s: status %s", url, resp.Status)
	}
	return nil
}
