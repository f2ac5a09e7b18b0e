package handler

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"github.com/go-playground/validator/v10"

	"evently/internal/domain"
)

// validation checks request bodies by their `validate` tags. It is built once: it caches
// what it learns of each struct and is safe for concurrent use.
var validation = newValidation()

func newValidation() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	for tag, check := range map[string]validator.Func{
		"text":   func(f validator.FieldLevel) bool { return isText(f.Field().String()) },
		"lines":  func(f validator.FieldLevel) bool { return isLines(f.Field().String()) },
		"moment": func(f validator.FieldLevel) bool { return isMoment(f.Field().String()) },
		"number": func(f validator.FieldLevel) bool { return isNumber(f.Field().String()) },
		"money":  func(f validator.FieldLevel) bool { return isPrice(f.Field().String()) },
		"email":  func(f validator.FieldLevel) bool { return domain.ValidEmail(f.Field().String()) },
		// in bytes, whereas min and max count characters
		"password": func(f validator.FieldLevel) bool { return domain.ValidPassword(f.Field().String()) },
		"role":     func(f validator.FieldLevel) bool { return domain.Role(f.Field().String()).Known() },
	} {
		if err := v.RegisterValidation(tag, check); err != nil {
			panic(err) // a misspelt tag name above: no request can cause it
		}
	}
	return v
}

// isText reports whether s is something that people can read: not blank, and without control
// characters (PostgreSQL, besides, cannot store NUL).
func isText(s string) bool {
	if strings.TrimSpace(s) == "" {
		return false
	}
	return !strings.ContainsFunc(s, unicode.IsControl)
}

// isLines is isText for what may have several lines.
func isLines(s string) bool {
	return isText(strings.NewReplacer("\r\n", " ", "\n", " ").Replace(s))
}

// isMoment reports whether s is a quoted RFC 3339 time in the years that shows are planned for.
func isMoment(s string) bool {
	_, err := momentInput(s).time()
	return err == nil
}

// isNumber reports whether s, the raw text of a JSON value, is a number.
func isNumber(s string) bool { return s[0] == '-' || s[0] >= '0' && s[0] <= '9' }

// isPrice reports whether s is an amount above zero that the database can hold.
func isPrice(s string) bool {
	m, err := domain.ParseMoney(s)
	return err == nil && m > 0 && m <= domain.MaxPrice
}

// validate checks the struct that dst points to and lists every fault.
func validate(dst any) error {
	err := validation.Struct(dst)
	if err == nil {
		return nil
	}
	var faults validator.ValidationErrors
	if !errors.As(err, &faults) {
		return domain.ErrInternal.WithCause(err)
	}
	const maxDetails = 20 // a list of 10,000 faulty seats is no use to anybody
	details := make([]string, 0, min(len(faults), maxDetails))
	for _, fault := range faults[:min(len(faults), maxDetails)] {
		details = append(details, fieldPath(fault)+": "+why(fault))
	}
	return domain.ErrValidation.WithDetails(details...)
}

// fieldPath is the field as the client wrote it: "seats[3].seat_row".
func fieldPath(fault validator.FieldError) string {
	_, path, _ := strings.Cut(fault.Namespace(), ".")
	return path
}

// why says what the rule asks for.
func why(fault validator.FieldError) string {
	unit := ""
	switch fault.Kind() {
	case reflect.String:
		unit = " characters"
	case reflect.Slice:
		unit = " items"
	}
	switch fault.Tag() {
	case "required":
		return "is required"
	case "min":
		return fmt.Sprintf("must have at least %s%s", fault.Param(), unit)
	case "max":
		return fmt.Sprintf("must have at most %s%s", fault.Param(), unit)
	case "gt":
		return "must be greater than " + fault.Param()
	case "email":
		return "must be an email address"
	case "oneof":
		return "must be one of: " + fault.Param()
	case "text":
		return "must not be blank or hold control characters"
	case "lines":
		return "must not be blank or hold control characters other than line breaks"
	case "moment":
		return "must be an RFC 3339 time from 2000 to 2199, such as 2030-01-31T19:30:00Z"
	case "number":
		return "must be a number"
	case "money":
		return "must be a number above 0 with at most two decimals"
	case "password":
		return fmt.Sprintf("must have %d to %d bytes", domain.MinPassword, domain.MaxPassword)
	case "role":
		return "must be: " + string(domain.RoleUser)
	default:
		return "is not valid"
	}
}
