// A client of the types that openapi-typescript makes of the document. It is compiled, not run.

import createClient from "openapi-fetch";
import type { components, paths } from "./generated/openapi-typescript";

type Schemas = components["schemas"];

// A type of this name would hide the browser's own.
type Hidden = Extract<keyof Schemas, keyof typeof globalThis>;
export const nothingIsHidden: Hidden extends never ? true : Hidden = true;

const client = createClient<paths>({ baseUrl: "http://localhost:3000" });

export async function lock(show_id: number, seat_ids: number[]): Promise<string> {
  const { data, error } = await client.POST("/api/v1/bookings/lock", {
    params: { header: { "Idempotency-Key": crypto.randomUUID() } },
    body: { show_id, seat_ids },
  });
  if (data) {
    return `${data.message}: ${data.amount.toFixed(2)} until ${data.expires_at}`;
  }
  switch (error.code) {
    case "seats_unavailable": {
      const mine: number[] = error.held_by_you ?? [];
      return `taken: ${error.failed_seats.filter((seat) => !mine.includes(seat)).join()}`;
    }
    case "invalid_seats":
      return `not here: ${error.invalid_seats.join()}`;
    case "seat_cooling_down":
      return `again at ${error.retry_at}`;
    case "waiting_room":
      return `${error.users_ahead} ahead, ask ${error.status_url} in ${error.refresh_interval_seconds} s`;
    case "show_started":
      // @ts-expect-error: the seats belong to another code
      return error.failed_seats.join();
    case "rate_limited":
    case "too_many_places":
      return error.message;
    // @ts-expect-error: no lock has this code
    case "payment_declined":
      return "declined";
    default:
      return `${error.code} ${error.request_id}: ${(error.details ?? [error.message]).join()}`;
  }
}

export async function pay(booking_id: number, amount: number): Promise<string> {
  const { data, error, response } = await client.POST("/api/v1/bookings/payments/simulate", { body: { booking_id, amount } });
  if (data) {
    return data.transaction_id;
  }
  switch (error.code) {
    case "amount_mismatch":
      return pay(booking_id, error.expected_amount);
    case "payment_declined":
      return error.error;
    case "hold_expired":
      return `lock again: ${error.expired_seats.join()}`;
    default:
      return `${response.status} ${error.code}`;
  }
}

export async function closeAccount(password: string): Promise<number[]> {
  const { error } = await client.DELETE("/api/v1/auth/me", { body: { password } });
  return error?.code === "has_upcoming_bookings" ? error.booking_ids : [];
}

export async function deleteSeats(venue_id: number): Promise<string[]> {
  const { data, error } = await client.DELETE("/api/v1/admin/venues/{venue_id}/seats", {
    params: { path: { venue_id } },
    body: { seats: [{ seat_row: "A", seat_number: 1 }] },
  });
  const seats = data ? data.deleted_seats : error.code === "seats_in_use" ? error.conflicting_seats : [];
  return seats.map((seat) => seat.seat_row + seat.seat_number);
}

// openapi-fetch reads no events, but has the type of their data.
type Streamed = paths["/api/v1/waiting-room/{show_id}/events"]["get"]["responses"][200]["content"]["text/event-stream"];

export function place(data: string): string {
  const status = JSON.parse(data) as Streamed;
  return status.status === "waiting" ? `place ${status.position}` : status.status;
}
