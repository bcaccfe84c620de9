package shop

func kept(items []int) []int {
	chosen := []int{}
	for _, item := range items {
		chosen = append(chosen, item)
	}
	return chosen
}
