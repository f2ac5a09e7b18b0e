package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"evently/internal/app"
	"evently/internal/config"
	"evently/internal/service"
)

// newDemoCommand returns `evently demo`.
func newDemoCommand() *cobra.Command {
	demo := &cobra.Command{
		Use:     "demo",
		Short:   "Load or clear data to try Evently with",
		Long:    "Load or clear data to try Evently with. Both may be repeated, and neither touches real rows.",
		Example: "  evently demo load\n  evently demo clear",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	demo.AddCommand(
		&cobra.Command{
			Use:   "load",
			Short: "Add what is missing of the demo venues, events, shows and user",
			Long: "Add what is missing of the demo venues, events, shows and user. In production the user's password is random and\n" +
				"printed once; `evently demo clear` and another load make a new one.",
			Example: "  evently demo load",
			Args:    noArgs,
			RunE: withServices(func(cmd *cobra.Command, s *app.Services) error {
				loaded, err := s.Demo.Load(cmd.Context())
				if err != nil {
					return fmt.Errorf("load the demo data: %w", err)
				}
				return printLoaded(cmd.OutOrStdout(), loaded)
			}),
		},
		&cobra.Command{
			Use:     "clear",
			Short:   "Remove the demo data that nothing else refers to",
			Example: "  evently demo clear",
			Args:    noArgs,
			RunE: withServices(func(cmd *cobra.Command, s *app.Services) error {
				cleared, err := s.Demo.Clear(cmd.Context())
				if err != nil {
					return fmt.Errorf("clear the demo data: %w", err)
				}
				return printCleared(cmd.OutOrStdout(), cleared)
			}),
		},
	)
	return demo
}

// withServices runs a command with the use cases and closes the stores after it.
func withServices(do func(*cobra.Command, *app.Services) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		cfg, log, err := settings(config.NeedDatabase, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		services, closeStores, err := openServices(cmd.Context(), cfg, log)
		if err != nil {
			return err
		}
		defer closeStores()
		return do(cmd, services)
	}
}

func printLoaded(out io.Writer, l service.DemoLoaded) error {
	_, err := fmt.Fprintf(out, "Added %d venue(s), %d seat(s), %d event(s), %d show(s); removed %d old show(s), kept %d for their bookings\n",
		l.VenuesAdded, l.SeatsAdded, l.EventsAdded, l.ShowsAdded, l.ShowsRemoved, l.ShowsRetired)
	for _, show := range l.Shows {
		if err == nil {
			_, err = fmt.Fprintf(out, "  show %d: %s at %s, %s, %s a seat, %d seats\n",
				show.ShowID, show.Title, show.VenueName, show.StartTime.UTC().Format("2006-01-02 15:04 MST"), show.Price, show.TotalSeats)
		}
	}
	if err == nil && l.UserAdded {
		_, err = fmt.Fprintf(out, "The password of %s is %s\n", service.DemoEmail, l.Password)
	}
	if err == nil && l.EmailTaken {
		_, err = fmt.Fprintf(out, "No demo user was added: another user has %s\n", service.DemoEmail)
	}
	return err
}

func printCleared(out io.Writer, c service.DemoCleared) error {
	_, err := fmt.Fprintf(out, "Removed %d user(s), %d booking(s), %d show(s), %d event(s), %d venue(s)\n",
		c.Users, c.Bookings, c.Shows, c.Events, c.Venues)
	for _, kept := range c.Kept {
		if err == nil {
			_, err = fmt.Fprintf(out, "  kept %s\n", kept)
		}
	}
	return err
}
