describe("shop", () => {
  it("opens", () => {
    expect(open()).toBe(true);
  });

  it("sells", () => {
    expect(sell()).toBe(1);
  });
});
