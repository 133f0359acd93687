package kafka

import "fmt"

// CheckAPI refuses a name that is none of Kafka's.
func CheckAPI(name string) error {
	if _, ok := LookupName(name); !ok {
		return fmt.Errorf("Kafka has no API %q", name)
	}
	return nil
}
