describe("shop", () => {
  it("opens", () => {
    expect(open()).toBe(true);
  });

  it("closes", () => {
    expect(close()).toBe(true);
  });
});
