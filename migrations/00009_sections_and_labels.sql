-- +goose Up
-- A label is stored only where it is not the number. Seats that are there need no change, and instances of the
-- version before go on.
ALTER TABLE seats
    ADD COLUMN section          text             NOT NULL DEFAULT '',
    ADD COLUMN section_position integer          NOT NULL DEFAULT 0,
    ADD COLUMN seat_label       text,
    ADD COLUMN category         text             NOT NULL DEFAULT '',
    ADD COLUMN x                double precision,
    ADD COLUMN y                double precision,
    ADD COLUMN accessible       boolean          NOT NULL DEFAULT false,
    ADD COLUMN companion        boolean          NOT NULL DEFAULT false,
    ADD COLUMN restricted_view  boolean          NOT NULL DEFAULT false,
    ADD COLUMN seat_guid        text,
    ADD CONSTRAINT seats_section_length CHECK (length(section) <= 64),
    ADD CONSTRAINT seats_label_length CHECK (length(seat_label) BETWEEN 1 AND 16),
    ADD CONSTRAINT seats_label_is_not_the_number CHECK (seat_label <> seat_number::text),
    ADD CONSTRAINT seats_category_length CHECK (length(category) <= 64),
    ADD CONSTRAINT seats_guid_length CHECK (length(seat_guid) BETWEEN 1 AND 255),
    DROP CONSTRAINT seats_venue_row_number_key,
    ADD CONSTRAINT seats_venue_row_number_key UNIQUE (venue_id, section, seat_row, seat_number),
    ADD CONSTRAINT seats_guid_key UNIQUE (venue_id, seat_guid);
COMMENT ON COLUMN seats.section_position IS 'The place of the section among those of the venue; the same for all seats of a section.';
COMMENT ON COLUMN seats.seat_label IS 'What is printed; NULL is the number in digits.';
COMMENT ON COLUMN seats.x IS 'In units of the plan, from its left edge; y from its upper edge.';

CREATE UNIQUE INDEX seats_label_key ON seats (venue_id, section, seat_row, coalesce(seat_label, seat_number::text));

-- +goose Down
-- Seats of sections, and what is printed on them, cannot be told without these columns: of seats that only the
-- section tells apart none may be left.
DROP INDEX seats_label_key;
ALTER TABLE seats
    DROP CONSTRAINT seats_venue_row_number_key,
    ADD CONSTRAINT seats_venue_row_number_key UNIQUE (venue_id, seat_row, seat_number),
    DROP COLUMN section,
    DROP COLUMN section_position,
    DROP COLUMN seat_label,
    DROP COLUMN category,
    DROP COLUMN x,
    DROP COLUMN y,
    DROP COLUMN accessible,
    DROP COLUMN companion,
    DROP COLUMN restricted_view,
    DROP COLUMN seat_guid;
