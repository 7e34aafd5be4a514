;; The matrix product of layers.js in WebAssembly, with SIMD: four numbers per instruction.
;;
;;   Y[m, n] = b[n] + sum over k of X[m, k] · W[k, n]
;;
;; All parameters but M, K, N are addresses in bytes. M is a multiple of 4 and N of 8, so there are no remainders. W is
;; packed in panels of four columns, each K rows long. The inner loop multiplies four rows of X by two panels: the eight
;; sums s00 … s31 (row, panel) of four columns each stay in registers.
(module
  (import "page" "memory" (memory 1))
  (func (export "gemm")
    (param $X i32) (param $M i32) (param $K i32) (param $W i32) (param $N i32) (param $b i32) (param $Y i32)
    (local $m i32) (local $n i32) (local $k i32) (local $row i32) (local $wide i32) (local $panel i32)
    (local $x0 i32) (local $x1 i32) (local $x2 i32) (local $x3 i32) (local $w i32) (local $y i32)
    (local $w0 v128) (local $w1 v128) (local $x v128)
    (local $s00 v128) (local $s01 v128) (local $s10 v128) (local $s11 v128)
    (local $s20 v128) (local $s21 v128) (local $s30 v128) (local $s31 v128)
    (local.set $row (i32.shl (local.get $K) (i32.const 2)))    ;; bytes of a row of X
    (local.set $wide (i32.shl (local.get $N) (i32.const 2)))   ;; bytes of a row of Y
    (local.set $panel (i32.shl (local.get $K) (i32.const 4)))  ;; bytes of a panel of W
    (local.set $n (i32.const 0))
    (loop $columns
      (local.set $x0 (local.get $X))
      (local.set $y (i32.add (local.get $Y) (i32.shl (local.get $n) (i32.const 2))))
      (local.set $m (i32.const 0))
      (loop $rows
        (local.set $x1 (i32.add (local.get $x0) (local.get $row)))
        (local.set $x2 (i32.add (local.get $x1) (local.get $row)))
        (local.set $x3 (i32.add (local.get $x2) (local.get $row)))
        (local.set $w (local.get $W))
        (local.set $s00 (v128.load (local.get $b)))
        (local.set $s01 (v128.load offset=16 (local.get $b)))
        (local.set $s10 (local.get $s00))
        (local.set $s11 (local.get $s01))
        (local.set $s20 (local.get $s00))
        (local.set $s21 (local.get $s01))
        (local.set $s30 (local.get $s00))
        (local.set $s31 (local.get $s01))
        (local.set $k (local.get $K))
        (loop $sum
          (local.set $w0 (v128.load (local.get $w)))
          (local.set $w1 (v128.load (i32.add (local.get $w) (local.get $panel))))
          (local.set $x (v128.load32_splat (local.get $x0)))
          (local.set $s00 (f32x4.add (local.get $s00) (f32x4.mul (local.get $x) (local.get $w0))))
          (local.set $s01 (f32x4.add (local.get $s01) (f32x4.mul (local.get $x) (local.get $w1))))
          (local.set $x (v128.load32_splat (local.get $x1)))
          (local.set $s10 (f32x4.add (local.get $s10) (f32x4.mul (local.get $x) (local.get $w0))))
          (local.set $s11 (f32x4.add (local.get $s11) (f32x4.mul (local.get $x) (local.get $w1))))
          (local.set $x (v128.load32_splat (local.get $x2)))
          (local.set $s20 (f32x4.add (local.get $s20) (f32x4.mul (local.get $x) (local.get $w0))))
          (local.set $s21 (f32x4.add (local.get $s21) (f32x4.mul (local.get $x) (local.get $w1))))
          (local.set $x (v128.load32_splat (local.get $x3)))
          (local.set $s30 (f32x4.add (local.get $s30) (f32x4.mul (local.get $x) (local.get $w0))))
          (local.set $s31 (f32x4.add (local.get $s31) (f32x4.mul (local.get $x) (local.get $w1))))
          (local.set $x0 (i32.add (local.get $x0) (i32.const 4)))
          (local.set $x1 (i32.add (local.get $x1) (i32.const 4)))
          (local.set $x2 (i32.add (local.get $x2) (i32.const 4)))
          (local.set $x3 (i32.add (local.get $x3) (i32.const 4)))
          (local.set $w (i32.add (local.get $w) (i32.const 16)))
          (br_if $sum (local.tee $k (i32.sub (local.get $k) (i32.const 1)))))
        (v128.store (local.get $y) (local.get $s00))
        (v128.store offset=16 (local.get $y) (local.get $s01))
        (v128.store (local.tee $y (i32.add (local.get $y) (local.get $wide))) (local.get $s10))
        (v128.store offset=16 (local.get $y) (local.get $s11))
        (v128.store (local.tee $y (i32.add (local.get $y) (local.get $wide))) (local.get $s20))
        (v128.store offset=16 (local.get $y) (local.get $s21))
        (v128.store (local.tee $y (i32.add (local.get $y) (local.get $wide))) (local.get $s30))
        (v128.store offset=16 (local.get $y) (local.get $s31))
        (local.set $y (i32.add (local.get $y) (local.get $wide)))
        (local.set $x0 (local.get $x3))                        ;; x3 is now the next row
        (br_if $rows (i32.lt_u (local.tee $m (i32.add (local.get $m) (i32.const 4))) (local.get $M))))
      (local.set $W (i32.add (local.get $W) (i32.shl (local.get $panel) (i32.const 1))))
      (local.set $b (i32.add (local.get $b) (i32.const 32)))
      (br_if $columns (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 8))) (local.get $N))))))
