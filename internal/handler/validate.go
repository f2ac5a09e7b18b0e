package handler

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-playground/validator/v10"

	"evently/internal/domain"
)

var validation = newValidation()

func newValidation() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	for tag, check := range map[string]func(string) bool{
		"email":    func(s string) bool { _, err := domain.ParseEmail(s); return err == nil },
		"password": func(s string) bool { return domain.CheckPassword(s, domain.RoleUser) == nil },
		"role":     func(s string) bool { return domain.Role(s).Known() },
	} {
		check := func(f validator.FieldLevel) bool { return check(f.Field().String()) }
		if err := v.RegisterValidation(tag, check); err != nil {
			panic(err) // a malformed tag name above
		}
	}
	v.RegisterAlias("position", fmt.Sprintf("min=-%d,max=%[1]d", maxPosition))
	v.RegisterCustomTypeFunc(func(f reflect.Value) any { return f.FieldByName("Value").Interface() },
		nullable[lineInput]{}, nullable[labelInput]{}, nullable[float64]{})
	return v
}

// maxPosition bounds the coordinates of a seat.
const maxPosition = 1_000_000

const maxDetails = 20 // of one response

func validate(dst any) error {
	err := validation.Struct(dst)
	if err == nil {
		return nil
	}
	var faults validator.ValidationErrors
	if !errors.As(err, &faults) {
		return domain.ErrInternal.WithCause(err)
	}
	faults = faults[:min(len(faults), maxDetails)]
	details := make([]string, len(faults))
	for i, fault := range faults {
		_, path, _ := strings.Cut(fault.Namespace(), ".") // "seats[3].seat_row" behind the struct's name
		details[i] = path + ": " + message(fault)
	}
	return domain.ErrValidation.WithDetails(details...)
}

func message(fault validator.FieldError) string {
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
	case "position":
		return fmt.Sprintf("must be from -%d to %[1]d", maxPosition)
	case "email":
		return "must be an email address"
	case "oneof":
		return "must be one of: " + fault.Param()
	case "password":
		password, _ := fault.Value().(string)
		return fmt.Sprint(domain.CheckPassword(password, domain.RoleUser))
	case "role":
		return "must be: " + string(domain.RoleUser)
	default:
		return "is not valid"
	}
}
