package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const redacted = "[redacted]"

// Secret is text that is redacted when it is printed, logged or encoded.
type Secret string

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

func (s Secret) GoString() string { return strconv.Quote(s.String()) }

func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Secret) Reveal() string { return string(s) }

// Secrets is a comma list of secrets.
type Secrets []Secret

// UnmarshalText fails on an empty item: it would be a key without a secret.
func (s *Secrets) UnmarshalText(text []byte) error {
	*s = nil
	for item := range strings.SplitSeq(string(text), ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			return errors.New("has an empty item")
		}
		*s = append(*s, Secret(item))
	}
	return nil
}

func (s Secrets) String() string {
	if len(s) == 0 {
		return ""
	}
	return fmt.Sprintf("%s ×%d", redacted, len(s))
}

// URL is the address of a store, or a comma list of them. It is printed without passwords.
type URL string

func (u URL) String() string {
	parts := u.Parts()
	for i, part := range parts {
		parts[i] = redactURL(part)
	}
	return strings.Join(parts, ",")
}

func (u URL) GoString() string { return strconv.Quote(u.String()) }

func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

func (u URL) Reveal() string { return string(u) }

// Parts returns the addresses of a comma list, with passwords. An address without a scheme has that
// of the one before: redis://a:6379,b:6379.
func (u URL) Parts() []string {
	if u == "" {
		return nil
	}
	var parts []string
	scheme := ""
	for part := range strings.SplitSeq(string(u), ",") {
		part = strings.TrimSpace(part)
		if before, _, ok := strings.Cut(part, "://"); ok {
			scheme = before
		} else if scheme != "" {
			part = scheme + "://" + part
		}
		parts = append(parts, part)
	}
	return parts
}

func redactURL(s string) string {
	parsed, err := url.Parse(s)
	if err != nil || parsed.Host == "" {
		return redacted // it may have a password
	}
	query := parsed.Query()
	for name := range query {
		if strings.Contains(strings.ToLower(name), "password") {
			query.Set(name, "xxxxx")
		}
	}
	if len(query) > 0 {
		parsed.RawQuery = query.Encode()
	}
	return parsed.Redacted()
}

// Seconds is a duration that is written as a whole number of seconds.
type Seconds time.Duration

// UnmarshalText reads "600", and also "10m".
func (s *Seconds) UnmarshalText(text []byte) error {
	if n, err := strconv.ParseInt(string(text), 10, 32); err == nil {
		*s = Seconds(time.Duration(n) * time.Second)
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil {
		return errors.New("must be a number of seconds")
	}
	*s = Seconds(d)
	return nil
}

func (s Seconds) Duration() time.Duration { return time.Duration(s) }

func (s Seconds) String() string { return time.Duration(s).String() }

// Origins is a comma list of web origins, or the one item "*".
type Origins []string

// UnmarshalText reads the list and refuses what no Origin header can equal.
func (o *Origins) UnmarshalText(text []byte) error {
	*o = nil
	items := strings.Split(string(text), ",")
	for _, item := range items {
		item = strings.TrimSpace(item)
		if item == "*" && len(items) > 1 {
			return errors.New(`"*" must stand alone`)
		}
		if item != "*" {
			if err := checkOrigin(item); err != nil {
				return fmt.Errorf("%q %w", item, err)
			}
		}
		*o = append(*o, strings.ToLower(item))
	}
	return nil
}

func (o Origins) String() string { return strings.Join(o, ",") }

func checkOrigin(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return errors.New("is not an origin")
	case u.Scheme == "" || u.Hostname() == "":
		return errors.New("must be scheme://host[:port]")
	case strings.HasSuffix(s, "/"):
		return errors.New("must not end in a slash")
	case u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(s, "#"):
		return errors.New("must have nothing behind the host and port")
	case strings.Contains(strings.TrimPrefix(u.Host, "*."), "*"):
		return errors.New("may have a * only as the whole first label")
	}
	return nil
}

// Proxies is a comma list of the addresses whose X-Forwarded-For is trusted.
type Proxies []netip.Prefix

func (p *Proxies) UnmarshalText(text []byte) error {
	*p = nil
	for item := range strings.SplitSeq(string(text), ",") {
		prefix, err := parsePrefix(strings.TrimSpace(item))
		if err != nil {
			return fmt.Errorf("%q is neither an address nor a range such as 10.0.0.0/8", item)
		}
		*p = append(*p, prefix)
	}
	return nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			return netip.Prefix{}, err
		}
		return prefix.Masked(), nil
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	addr = addr.Unmap().WithZone("")
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

func (p Proxies) String() string {
	items := make([]string, len(p))
	for i, prefix := range p {
		items[i] = prefix.String()
	}
	return strings.Join(items, ",")
}
