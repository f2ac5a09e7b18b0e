package service

import "time"

// Keys of the demo data. They are stored in databases: do not change them.
const (
	grandCinemaHall  = "grand-cinema-hall"
	cityplexTheater  = "cityplex-theater"
	riversideArena   = "riverside-arena"
	galacticOdyssey  = "galactic-odyssey"
	echoesOfTime     = "echoes-of-time"
	midnightSerenade = "midnight-serenade"
)

func demoVenues() []DemoVenue {
	return []DemoVenue{
		{Key: grandCinemaHall, Name: "Grand Cinema Hall", Address: "12 Station Road", Rows: rowNames(3), SeatsPerRow: 5},
		{Key: cityplexTheater, Name: "Cityplex Theater", Address: "4 Market Square", Rows: rowNames(2), SeatsPerRow: 10},
		{Key: riversideArena, Name: "Riverside Arena", Address: "1 Riverside Walk", Rows: rowNames(40), SeatsPerRow: 50},
	}
}

func demoEvents() []DemoEvent {
	return []DemoEvent{
		{Key: galacticOdyssey, Title: "Galactic Odyssey"},
		{Key: echoesOfTime, Title: "Echoes of Time"},
		{Key: midnightSerenade, Title: "Midnight Serenade"},
	}
}

// demoShows returns the shows in their order. The first is at least a day away, so that the data stays
// useful for a while.
func demoShows() []DemoShow {
	const afternoon, evening, night = 15 * time.Hour, 19 * time.Hour, 21 * time.Hour
	return []DemoShow{
		{Key: "show-1", EventKey: galacticOdyssey, VenueKey: grandCinemaHall, Price: 450_00, Day: 2, TimeOfDay: evening},
		{Key: "show-2", EventKey: echoesOfTime, VenueKey: grandCinemaHall, Price: 400_00, Day: 3, TimeOfDay: afternoon},
		{Key: "show-3", EventKey: midnightSerenade, VenueKey: cityplexTheater, Price: 380_00, Day: 4, TimeOfDay: night},
		{Key: "show-4", EventKey: galacticOdyssey, VenueKey: cityplexTheater, Price: 350_00, Day: 5, TimeOfDay: evening},
		{Key: "show-5", EventKey: echoesOfTime, VenueKey: riversideArena, Price: 95_00, Day: 7, TimeOfDay: evening},
	}
}

// rowNames returns the names of the first n rows: A to Z, then AA to AZ and so on.
func rowNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		if i >= 26 {
			names[i] = string(rune('A' + i/26 - 1))
		}
		names[i] += string(rune('A' + i%26))
	}
	return names
}
