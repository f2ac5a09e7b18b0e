package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"evently/internal/config"
)

// maxHealthBody is how much of an answer is shown, in bytes.
const maxHealthBody = 4 << 10

// newHealthCommand gives `evently health`, the probe of a container that has no other program.
func newHealthCommand() *cobra.Command {
	var url string
	var timeout time.Duration
	health := &cobra.Command{
		Use:   "health",
		Short: "Ask a running Evently whether it is well",
		Long: "Ask a running Evently whether it is well, and print its answer. The exit code is 0 when it is and 1\n" +
			"when it is not or does not answer. Without --url it asks /health/live of this machine on PORT.",
		Example: "  evently health\n  evently health --url http://localhost:3000/health/ready --timeout 1s",
		Args:    cobra.NoArgs,
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
				url = "http://127.0.0.1:" + strconv.Itoa(cfg.HTTP.Port) + "/health/live" // a bare container resolves no names
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return probe(ctx, url, cmd.OutOrStdout())
		},
	}
	health.Flags().StringVar(&url, "url", "", "address to ask (default http://127.0.0.1:PORT/health/live)")
	health.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long to wait for the answer")
	return health
}

// probe prints the answer of url. Any status but 200 to 299 is an error.
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
		return fmt.Errorf("read the answer of %s: %w", url, err)
	}
	if _, err := fmt.Fprintln(out, strings.TrimSpace(string(body))); err != nil {
		return err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("%s answered %s", url, resp.Status)
	}
	return nil
}
