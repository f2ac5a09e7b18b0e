-- +goose Up
CREATE TYPE user_role AS ENUM ('user', 'admin');

CREATE TABLE users (
    user_id       bigint GENERATED ALWAYS AS IDENTITY,
    email         text        NOT NULL,
    email_key     text        NOT NULL,
    password_hash text        NOT NULL,
    role          user_role   NOT NULL DEFAULT 'user',
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_pkey PRIMARY KEY (user_id),
    CONSTRAINT users_email_length CHECK (length(email) BETWEEN 3 AND 254),
    CONSTRAINT users_email_key_key UNIQUE (email_key)
);
COMMENT ON COLUMN users.email_key IS 'The email, case folded by the service: emails are compared by it, whatever the locale of the database.';

CREATE TABLE venues (
    venue_id    bigint GENERATED ALWAYS AS IDENTITY,
    venue_name  text        NOT NULL,
    name_folded text        NOT NULL,
    address     text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT venues_pkey PRIMARY KEY (venue_id),
    CONSTRAINT venues_name_length CHECK (length(venue_name) BETWEEN 1 AND 255)
);
COMMENT ON COLUMN venues.name_folded IS 'venue_name case-folded by the service, for search: the locale of the database does not matter.';

CREATE TABLE seats (
    seat_id     bigint GENERATED ALWAYS AS IDENTITY,
    venue_id    bigint  NOT NULL,
    seat_row    text    NOT NULL,
    seat_number integer NOT NULL,
    CONSTRAINT seats_pkey PRIMARY KEY (seat_id),
    CONSTRAINT seats_venue_fkey FOREIGN KEY (venue_id) REFERENCES venues (venue_id) ON DELETE CASCADE,
    CONSTRAINT seats_row_length CHECK (length(seat_row) BETWEEN 1 AND 16),
    CONSTRAINT seats_number_positive CHECK (seat_number > 0),
    CONSTRAINT seats_venue_row_number_key UNIQUE (venue_id, seat_row, seat_number)
);

CREATE TABLE events (
    event_id     bigint GENERATED ALWAYS AS IDENTITY,
    title        text        NOT NULL,
    title_folded text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT events_pkey PRIMARY KEY (event_id),
    CONSTRAINT events_title_length CHECK (length(title) BETWEEN 1 AND 255)
);
COMMENT ON COLUMN events.title_folded IS 'title case-folded by the service, for search.';

-- +goose Down
DROP TABLE events;
DROP TABLE seats;
DROP TABLE venues;
DROP TABLE users;
DROP TYPE user_role;
